import type { Timespec } from '../host/host-times.js';
import type { TreeNode } from '../tree/tree.js';
import { ERRNO } from '../util/errno.js';
import type { MountSpace, NodeAttributes } from './attributes.js';
import type { Answer, NativeOperations } from './native-package.js';
import type { NativeSession } from './native-session.js';

/** -1, which libfuse passes on without a sign: the ID is not to be set. */
const NO_ID = 0xffffffff;

function idOf(id: number): number | null {
  return id === NO_ID || id === -1 ? null : id;
}

/** The callbacks of libfuse that name a path or a handle, but for `init`, reads and writes. */
export function nativeCallbacks(session: NativeSession): Omit<NativeOperations, 'init'> {
  const { files, tree } = session;
  const refuse = (answer: Answer): void => answer(-ERRNO.EPERM);
  const withNode = (path: string, answer: Answer, use: (node: TreeNode) => void): void => {
    const node = find(tree.root, path);
    if (node === undefined) answer(-ERRNO.ENOENT);
    else use(node);
  };
  const setOwner = (
    node: TreeNode,
    mode: number | null,
    answer: Answer,
    uid: number | null = null,
    gid: number | null = null,
  ): void => answer(session.attributes.isOwnedSo(node, mode, uid, gid) ? 0 : -ERRNO.EPERM);
  return {
    ...handleCallbacks(session),
    getattr: (path, answer) =>
      withNode(path, answer, (node) => {
        const begin = (request: number): number => files.refresh(request, node);
        session.ask(`GETATTR ${path}`, begin, (result) => {
          if (result < 0) answer(result);
          else answer(0, statOf(session, node));
        });
      }),
    statfs: (path, answer) => {
      const begin = (request: number): number => files.refreshAll(request);
      session.ask(`STATFS ${path}`, begin, (result) => {
        if (result < 0) answer(result);
        else answer(0, nativeStatfs(session.attributes.space()));
      });
    },
    readdir: (path, answer) =>
      withNode(path, answer, (node) => {
        if (node.kind !== 'directory') answer(-ERRNO.ENOTDIR);
        else answer(0, ['.', '..', ...node.children.keys()]);
      }),
    truncate: (path, size, answer) =>
      withNode(path, answer, (node) => {
        const begin = (request: number): number => files.truncate(request, node, size);
        session.ask(`TRUNCATE ${path}`, begin, (result) => answer(result));
      }),
    open: (path, flags, answer) =>
      withNode(path, answer, (node) => {
        const begin = (request: number): number => files.open(request, node, flags);
        session.ask(`OPEN ${path}`, begin, (result, handle) => {
          if (result < 0) answer(result);
          else answer(0, session.handles.open(node.id, handle));
        });
      }),
    mkdir: (path, _mode, answer) =>
      withNode(parentPath(path), answer, (parent) => {
        const made = session.change(() => files.makeDirectory(parent, lastName(path)));
        answer(Math.min(made, 0));
      }),
    rmdir: (path, answer) =>
      withNode(parentPath(path), answer, (parent) => {
        answer(session.change(() => files.removeDirectory(parent, lastName(path))));
      }),
    // Callers can change neither owner and mode nor the set of files.
    chmod: (path, mode, answer) => withNode(path, answer, (node) => setOwner(node, mode, answer)),
    chown: (path, uid, gid, answer) =>
      withNode(path, answer, (node) => setOwner(node, null, answer, idOf(uid), idOf(gid))),
    unlink: (_path, answer) => refuse(answer),
    mknod: (_path, _mode, _device, answer) => refuse(answer),
    create: (_path, _mode, answer) => refuse(answer),
    rename: (_from, _to, answer) => refuse(answer),
    link: (_from, _to, answer) => refuse(answer),
    symlink: (_from, _to, answer) => refuse(answer),
    // fuse-native passes the access time in the place of both times.
    utimens: (_path, _atime, _mtime, answer) => answer(-ERRNO.EOPNOTSUPP),
  };
}

function handleCallbacks(
  session: NativeSession,
): Pick<NativeOperations, 'read' | 'write' | 'fsync' | 'release'> {
  const { files, tree, handles } = session;
  const replaced = (): void => {
    throw new Error('fuse-native called a handler that is replaced');
  };
  return {
    // They tell libfuse that reads and writes are supported; `NativeSession.transferHandlers` replaces them.
    read: replaced,
    write: replaced,
    fsync: (path, dataOnly, number, answer) => {
      const node = tree.node(handles.node(number));
      if (node === undefined) {
        answer(-ERRNO.ESTALE);
        return;
      }
      const begin = (request: number): number =>
        files.fsync(request, node, handles.handle(number), dataOnly !== 0);
      session.ask(`FSYNC ${path}`, begin, (result) => answer(result));
    },
    release: (path, number, answer) => {
      const node = tree.node(handles.node(number));
      const handle = handles.handle(number);
      handles.close(number);
      const begin = (request: number): number => files.release(request, node, handle);
      session.ask(`RELEASE ${path}`, begin, (result) => answer(result));
    },
  };
}

/** With the page cache the kernel reads as many bytes of a control file as its length says. */
function statOf({ attributes, pageCache }: NativeSession, node: TreeNode): object {
  const shown = attributes.of(node);
  if (pageCache && node.kind === 'control') shown.size = Buffer.byteLength(node.file.read());
  return nativeStat(node.id, shown);
}

/** The fields of struct stat, as fuse-native takes them; times are milliseconds. @param ino The node's id. */
export function nativeStat(ino: number, shown: NodeAttributes): object {
  const { mode, owner, size, links: nlink, ioBytes: blksize, blocks, times } = shown;
  const atime = milliseconds(times.accessed);
  const mtime = milliseconds(times.modified);
  const ctime = milliseconds(times.changed);
  return { mode, ...owner, size, nlink, ino, blksize, blocks, atime, mtime, ctime };
}

function milliseconds({ seconds, nanoseconds }: Timespec): number {
  return seconds * 1000 + Math.floor(nanoseconds / 1e6);
}

/** The fields of struct statvfs, as fuse-native takes them. */
export function nativeStatfs({ blocks, free }: MountSpace): Record<string, number> {
  const counts = { blocks, bfree: free, bavail: free, files: 0, ffree: 0 };
  return { ...counts, bsize: 4096, frsize: 4096, namemax: 255 };
}

function find(root: TreeNode, path: string): TreeNode | undefined {
  let node: TreeNode | undefined = root;
  for (const name of path.split('/')) {
    if (name === '') continue;
    node = node?.kind === 'directory' ? node.children.get(name) : undefined;
  }
  return node;
}

function parentPath(path: string): string {
  return path.slice(0, path.lastIndexOf('/'));
}

function lastName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
