import type { Memory } from '../buffers/memory.js';
import type { Tree, TreeNode } from '../tree/tree.js';
import { ERRNO } from '../util/errno.js';
import * as abi from './abi.js';
import { readAttributes, readStatfs } from './native-attributes.js';
import { NativeHandles } from './native-handles.js';
import type { Answer, NativeOperations } from './native-package.js';
import { RequestWriter } from './native-requests.js';
import type { Transport } from './transport.js';
import { getU64 } from './wire.js';

/** Opcodes of requests that carry names; all end in a name, after `bytes` of body. */
const MKNOD = 8;
const MKDIR = 9;
const UNLINK = 10;
const RMDIR = 11;

/** A request that waits for its reply. */
interface Pending {
  opcode: number;
  node: number;
  answer: Answer;
  /** Of a READ: where the data goes. */
  buffer: Buffer | null;
}

/** The data plane, as this transport needs it. */
interface Receiver {
  /** Slots that may be used for receiving. */
  readonly receivable: number;
  received(slot: number, bytes: number): void;
  replied(request: number): void;
}

/** The event loop that the data plane runs on. */
interface Loop {
  /** Something happens now. */
  begin(): void;
  /** The same, and a turn must follow. */
  wake(): void;
}

/**
 * libfuse 2 through fuse-native: each callback becomes the request that the kernel had sent, and the
 * reply's bytes become the callback's answer. A callback that is held back holds a thread of libfuse.
 */
export class NativeSession implements Transport {
  readonly #memory: Memory;
  readonly #data: Buffer;
  readonly #tree: Tree;
  readonly #sized: boolean;
  readonly #writer: RequestWriter;
  readonly #handles = new NativeHandles();
  /** By half of the request's unique number: FUSE's ids are even. */
  readonly #pending: (Pending | undefined)[] = [undefined];
  readonly #freeIds: number[] = [];
  readonly #replied: number[] = [];
  /** Callbacks for which there was no slot. */
  #backlog: (() => void)[] = [];
  #plane: Receiver | null = null;
  #loop: Loop | null = null;
  #held = 0;

  /** @param sized Show the lengths of control files: the kernel's page cache goes by them. */
  constructor(memory: Memory, tree: Tree, sized: boolean) {
    this.#sized = sized;
    this.#memory = memory;
    this.#data = Buffer.from(memory.buffer);
    this.#tree = tree;
    this.#writer = new RequestWriter(memory);
  }

  /** Callbacks that are not answered: each holds a thread. */
  get held(): number {
    return this.#held;
  }

  /** Replies of which the plane does not know yet that they have left. */
  get hasReplied(): boolean {
    return this.#replied.length > 0;
  }

  attach(plane: Receiver, loop: Loop): void {
    this.#plane = plane;
    this.#loop = loop;
  }

  /** Tells the plane which replies have left, then takes in what found no slot before. */
  endTurn(): void {
    const plane = this.#plane!;
    this.#tellReplied();
    while (this.#backlog.length > 0 && plane.receivable > 0) this.#backlog.shift()!();
  }

  reply(request: number, offset: number, length: number): void {
    const { view } = this.#memory;
    const id = view.getUint32(offset + abi.OUT_UNIQUE, true) >>> 1;
    const pending = this.#pending[id]!;
    this.#pending[id] = undefined;
    this.#freeIds.push(id);
    this.#held--;
    const error = view.getInt32(offset + abi.OUT_ERROR, true);
    const payload = offset + abi.OUT_HEADER_BYTES;
    if (error < 0) pending.answer(error);
    else this.#answer(pending, payload, length - abi.OUT_HEADER_BYTES);
    this.#replied.push(request);
  }

  #answer(pending: Pending, at: number, bytes: number): void {
    const { view } = this.#memory;
    const { opcode, answer } = pending;
    if (opcode === abi.READ) {
      this.#data.copy(pending.buffer!, 0, at, at + bytes);
      answer(bytes);
    } else if (opcode === abi.WRITE) answer(view.getUint32(at + abi.WRITE_OUT_SIZE, true));
    else if (opcode === abi.GETATTR) answer(0, this.#attributes(pending.node, at));
    else if (opcode === abi.OPEN) answer(0, this.#handles.open(pending.node, getU64(view, at)));
    else if (opcode === abi.STATFS) answer(0, readStatfs(view, at));
    else if (opcode === abi.INIT) answer(at, bytes);
    else answer(0);
  }

  #attributes(id: number, at: number) {
    const attributes = readAttributes(this.#memory.view, at + abi.ATTR_OUT_ATTR);
    const node = this.#tree.node(id);
    if (this.#sized && node?.kind === 'control') {
      attributes.size = Buffer.byteLength(node.file.read());
    }
    return attributes;
  }

  /**
   * Asks the dispatcher for the reply to an INIT that offers all it could want.
   * @param answer Gets the place of struct fuse_init_out in the plane's memory and its length.
   */
  init(answer: Answer): void {
    this.#send(abi.INIT, abi.ROOT_ID, abi.INIT_IN_MIN_BYTES + 4, answer, null, (writer) => {
      writer.word(abi.INIT_IN_MAJOR, abi.FUSE_MAJOR);
      writer.word(abi.INIT_IN_MINOR, abi.FUSE_MINOR);
      writer.word(abi.INIT_IN_MAX_READAHEAD, 128 << 10);
      writer.word(abi.INIT_IN_FLAGS, 0xffffffff);
      writer.word(abi.INIT_IN_FLAGS2, 0xffffffff);
    });
  }

  /** The callbacks for fuse-native, but for `init`. */
  operations(): Omit<NativeOperations, 'init'> {
    const refuse = (answer: Answer): void => answer(-ERRNO.EPERM);
    return {
      ...this.#fileOperations(),
      getattr: (path, answer) => this.#onNode(abi.GETATTR, path, abi.GETATTR_IN_BYTES, answer),
      statfs: (path, answer) => this.#onNode(abi.STATFS, path, 0, answer),
      readdir: (path, answer) => this.#list(path, answer),
      truncate: (path, size, answer) => this.#setAttribute(path, abi.FATTR_SIZE, size, answer),
      chmod: (path, _mode, answer) => this.#setAttribute(path, abi.FATTR_MODE, 0, answer),
      chown: (path, _uid, _gid, answer) => this.#setAttribute(path, abi.FATTR_UID, 0, answer),
      utimens: (path, _atime, _mtime, answer) => this.#setAttribute(path, 0, 0, answer),
      mkdir: (path, mode, answer) => this.#named(MKDIR, path, 8, mode, answer),
      rmdir: (path, answer) => this.#named(RMDIR, path, 0, 0, answer),
      unlink: (path, answer) => this.#named(UNLINK, path, 0, 0, answer),
      mknod: (path, mode, _device, answer) => this.#named(MKNOD, path, 16, mode, answer),
      create: (path, mode, answer) => this.#named(MKNOD, path, 16, mode, answer),
      rename: (_from, _to, answer) => refuse(answer),
      link: (_from, _to, answer) => refuse(answer),
      symlink: (_from, _to, answer) => refuse(answer),
    };
  }

  #fileOperations() {
    const operations: Pick<NativeOperations, 'open' | 'read' | 'write' | 'fsync' | 'release'> = {
      open: (path, flags, answer) => {
        this.#onNode(abi.OPEN, path, abi.OPEN_IN_BYTES, answer, (writer) => {
          writer.word(abi.OPEN_IN_FLAGS, flags);
        });
      },
      read: (_path, handle, buffer, length, offset, answer) => {
        this.#transfer(abi.READ, handle, offset, length, answer, buffer);
      },
      write: (_path, handle, buffer, length, offset, answer) => {
        this.#transfer(abi.WRITE, handle, offset, length, answer, buffer);
      },
      fsync: (_path, dataOnly, handle, answer) => {
        this.#onHandle(abi.FSYNC, handle, abi.FSYNC_IN_BYTES, answer, (writer) => {
          writer.word(abi.FSYNC_IN_FLAGS, dataOnly === 0 ? 0 : abi.FSYNC_DATASYNC);
        });
      },
      release: (_path, handle, answer) => {
        this.#onHandle(abi.RELEASE, handle, abi.RELEASE_IN_BYTES, (result) => {
          this.#handles.close(handle);
          answer(result);
        });
      },
    };
    return operations;
  }

  #transfer(
    opcode: number,
    handle: number,
    offset: number,
    length: number,
    answer: Answer,
    buffer: Buffer,
  ): void {
    const node = this.#handles.node(handle);
    this.#send(opcode, node, abi.IO_IN_BYTES, answer, buffer, (writer) => {
      writer.long(abi.IO_IN_FH, this.#handles.handle(handle));
      writer.long(abi.IO_IN_OFFSET, offset);
      writer.word(abi.IO_IN_SIZE, length);
      if (opcode === abi.WRITE) writer.append(buffer);
    });
  }

  #onHandle(
    opcode: number,
    handle: number,
    bytes: number,
    answer: Answer,
    fill?: (writer: RequestWriter) => void,
  ): void {
    this.#send(opcode, this.#handles.node(handle), bytes, answer, null, (writer) => {
      writer.long(0, this.#handles.handle(handle)); // fh is the first field of all of these
      fill?.(writer);
    });
  }

  #onNode(
    opcode: number,
    path: string,
    bytes: number,
    answer: Answer,
    fill?: (writer: RequestWriter) => void,
  ): void {
    const node = this.#find(path);
    if (node === undefined) answer(-ERRNO.ENOENT);
    else this.#send(opcode, node.id, bytes, answer, null, fill);
  }

  #setAttribute(path: string, valid: number, size: number, answer: Answer): void {
    this.#onNode(abi.SETATTR, path, abi.SETATTR_IN_BYTES, answer, (writer) => {
      writer.word(abi.SETATTR_IN_VALID, valid);
      writer.long(abi.SETATTR_IN_SIZE, size);
    });
  }

  /** A request to the parent directory about a name in it. `bytes` come before the name. */
  #named(opcode: number, path: string, bytes: number, mode: number, answer: Answer): void {
    const slash = path.lastIndexOf('/');
    const parent = this.#find(path.slice(0, slash));
    if (parent === undefined) {
      answer(-ERRNO.ENOENT);
      return;
    }
    this.#send(opcode, parent.id, bytes, answer, null, (writer) => {
      if (bytes > 0) writer.word(0, mode);
      writer.append(Buffer.from(`${path.slice(slash + 1)}\0`));
    });
  }

  #list(path: string, answer: Answer): void {
    const node = this.#find(path);
    if (node === undefined) answer(-ERRNO.ENOENT);
    else if (node.kind !== 'directory') answer(-ERRNO.ENOTDIR);
    else answer(0, ['.', '..', ...node.children.keys()]);
  }

  #find(path: string): TreeNode | undefined {
    let node: TreeNode | undefined = this.#tree.root;
    for (const name of path.split('/')) {
      if (name === '') continue;
      node = node?.kind === 'directory' ? node.children.get(name) : undefined;
    }
    return node;
  }

  #send(
    opcode: number,
    node: number,
    bytes: number,
    answer: Answer,
    buffer: Buffer | null,
    fill?: (writer: RequestWriter) => void,
  ): void {
    this.#held++;
    const begin = (): void => {
      const slot = this.#memory.takeSlot();
      const id = this.#freeIds.pop() ?? this.#pending.length;
      this.#pending[id] = { opcode, node, answer, buffer };
      this.#writer.begin(slot, opcode, id * 2, node, bytes);
      fill?.(this.#writer);
      this.#plane!.received(slot, this.#writer.length);
      // Most are answered already where files are in memory: then no turn has to follow.
      if (this.#pending[id] === undefined) this.#tellReplied();
      else this.#loop!.wake();
    };
    this.#loop!.begin();
    if (this.#backlog.length > 0 || this.#plane!.receivable <= 0) {
      this.#backlog.push(begin);
      this.#loop!.wake();
    } else begin();
  }

  #tellReplied(): void {
    while (this.#replied.length > 0) this.#plane!.replied(this.#replied.pop()!);
  }
}
