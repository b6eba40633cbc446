import { constants } from 'node:fs';
import * as operation from '../plane/operation.js';
import { DEFERRED, type DiskService } from '../plane/transport.js';
import { O_ACCMODE } from '../sys/constants.js';
import type { DirectoryNode, DiskNode, TreeNode } from '../tree/tree.js';
import { ERRNO } from '../util/errno.js';
import { ControlHandles } from './control-handles.js';

/**
 * The operations on nodes of the tree, for every transport. Each method returns a result
 * from 0, -errno, or DEFERRED: then the plane replies to the request.
 */
export class Files {
  readonly #disks: DiskService;
  readonly #pageCache: boolean;
  readonly handles = new ControlHandles();

  /** @param pageCache The kernel caches disks. Cache hits are not throttled. */
  constructor(disks: DiskService, pageCache: boolean) {
    this.#disks = disks;
    this.#pageCache = pageCache;
  }

  /** Asks the plane for an operation whose other columns are set. */
  #ask(request: number, asked: number, { disk, refusal }: DiskNode): number {
    if (refusal !== 0) return refusal;
    const { requests } = this.#disks;
    requests.operation[request] = asked;
    requests.disk[request] = disk;
    return this.#disks.begin(request);
  }

  /** Result: the child's node id. */
  lookup(node: TreeNode, name: string): number {
    if (node.kind !== 'directory') return -ERRNO.ENOTDIR;
    if (name === '.') return node.id;
    if (name === '..') return (node.parent ?? node).id;
    return node.children.get(name)?.id ?? -ERRNO.ENOENT;
  }

  /** Result: 0, and the status of a disk is up to date. */
  refresh(request: number, node: TreeNode): number {
    return node.kind === 'disk' ? this.#ask(request, operation.REFRESH, node) : 0;
  }

  refreshAll(request: number): number {
    const { requests } = this.#disks;
    requests.operation[request] = operation.REFRESH_ALL;
    return this.#disks.begin(request);
  }

  truncate(request: number, node: TreeNode, size: number): number {
    // A shell's `> file` truncates a control file before it writes.
    if (node.kind === 'control') return 0;
    if (node.kind === 'directory') return -ERRNO.EISDIR;
    this.#disks.requests.length[request] = size;
    return this.#ask(request, operation.RESIZE, node);
  }

  /**
   * Sets the times of a disk to those at `timesOffset`. Other files keep theirs: setting them to now
   * (`touch`) has no effect, and any other time is refused.
   */
  setTimes(request: number, node: TreeNode, areNow: boolean): number {
    if (node.kind !== 'disk') return areNow ? 0 : -ERRNO.EPERM;
    return this.#ask(request, operation.SET_TIMES, node);
  }

  /** Result: the new group's node id. */
  makeDirectory(node: TreeNode, name: string): number {
    const changes = this.#changes(node);
    return typeof changes === 'number' ? changes : changes.makeDirectory(name);
  }

  removeDirectory(node: TreeNode, name: string): number {
    const changes = this.#changes(node);
    return typeof changes === 'number' ? changes : changes.removeDirectory(name);
  }

  #changes(node: TreeNode): NonNullable<DirectoryNode['changes']> | number {
    return node.kind === 'directory' ? (node.changes ?? -ERRNO.EPERM) : -ERRNO.ENOTDIR;
  }

  /**
   * Stores the handle in its column. Result: 1 if the pages that the kernel has cached are valid, else 0.
   * @param flags Those of open(2).
   */
  open(request: number, node: TreeNode, flags: number): number {
    const { requests } = this.#disks;
    const forWriting = (flags & O_ACCMODE) !== 0;
    if (node.kind === 'directory') return -ERRNO.EISDIR;
    if (node.kind === 'control') {
      if (forWriting && node.file.write === null) return -ERRNO.EACCES;
      requests.handle[request] = this.handles.open(node.file.read());
      return 0;
    }
    requests.mode[request] =
      (forWriting ? operation.FOR_WRITING : 0) |
      ((flags & constants.O_TRUNC) !== 0 ? operation.TRUNCATE : 0) |
      (this.#pageCache ? operation.LOOK : 0);
    return this.#ask(request, operation.OPEN, node);
  }

  /**
   * Result: bytes read. The bytes of a control file are copied to `target` at once, from `at` on.
   * @param handle As `open` left it.
   */
  read(
    request: number,
    node: TreeNode,
    handle: number,
    offset: number,
    length: number,
    target: Uint8Array,
    at: number,
  ): number {
    if (node.kind === 'disk') {
      const { requests } = this.#disks;
      requests.offset[request] = offset;
      requests.length[request] = length;
      return this.#ask(request, operation.READ, node);
    }
    if (node.kind === 'directory') return -ERRNO.EISDIR;
    return this.handles.read(handle, offset, length, target, at);
  }

  /** A write whose payload is in the request's slot. Result: bytes written. */
  write(
    request: number,
    node: TreeNode,
    offset: number,
    length: number,
    fromCache: boolean,
  ): number {
    if (node.kind !== 'disk') return -ERRNO.EISDIR;
    const { requests } = this.#disks;
    requests.offset[request] = offset;
    requests.length[request] = length;
    requests.mode[request] = fromCache ? 1 : 0;
    return this.#ask(request, operation.WRITE, node);
  }

  /**
   * One write(2) to a control file is one change, at any offset: `>` and `>>` mean the same. Result: the
   * bytes taken, always all of them.
   */
  change(
    request: number,
    node: TreeNode & { kind: 'control' },
    handle: number,
    text: Uint8Array,
  ): number {
    const { file } = node;
    if (file.write === null) return -ERRNO.EACCES;
    const result = file.write(text, request);
    // A change that takes time: the reply has the same number of bytes.
    const answer = result === DEFERRED ? file.answer?.(request) : undefined;
    if (answer !== undefined) this.handles.renew(handle, answer);
    if (result < 0) return result;
    this.handles.renew(handle, file.read());
    return text.length;
  }

  /** @param node Undefined if its group was removed while the file was open. */
  release(request: number, node: TreeNode | undefined, handle: number): number {
    if (node?.kind === 'disk') {
      this.#disks.requests.handle[request] = handle;
      return this.#ask(request, operation.CLOSE, node);
    }
    this.handles.close(handle);
    return 0;
  }

  fsync(request: number, node: TreeNode, handle: number, dataOnly: boolean): number {
    if (node.kind !== 'disk') return 0;
    const { requests } = this.#disks;
    requests.handle[request] = handle;
    requests.mode[request] = dataOnly ? 1 : 0;
    return this.#ask(request, operation.FLUSH, node);
  }

  allocate(request: number, node: TreeNode, mode: number, offset: number, length: number): number {
    if (node.kind !== 'disk') return -ERRNO.EOPNOTSUPP;
    const { requests } = this.#disks;
    requests.mode[request] = mode;
    requests.offset[request] = offset;
    requests.length[request] = length;
    return this.#ask(request, operation.ALLOCATE, node);
  }

  /** Result: the offset found. */
  seek(request: number, node: TreeNode, offset: number, whence: number): number {
    if (node.kind !== 'disk') return -ERRNO.EOPNOTSUPP;
    const { requests } = this.#disks;
    requests.offset[request] = offset;
    requests.mode[request] = whence;
    return this.#ask(request, operation.SEEK, node);
  }
}
