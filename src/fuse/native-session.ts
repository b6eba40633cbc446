import type { Memory } from '../buffers/memory.js';
import type { Tree, TreeNode } from '../tree/tree.js';
import { ERRNO } from '../util/errno.js';
import * as abi from './abi.js';
import { readAttributes, readStatfs } from './native-attributes.js';
import { NativeHandles } from './native-handles.js';
import { bufferAddress, hasKnownLayout, type NativeThread, prepareReply } from './native-locals.js';
import type { Answer, NativeBinding, NativeOperations, Signal } from './native-package.js';
import { RequestWriter } from './native-requests.js';
import type { Transport } from './transport.js';
import { getU64 } from './wire.js';

/** Opcodes of requests that carry names; all end in a name, after `bytes` of body. */
const MKNOD = 8;
const MKDIR = 9;
const UNLINK = 10;
const RMDIR = 11;

const NO_ANSWER: Answer = () => {};

/** A request that waits for its reply; used again for later ones. */
class Pending {
  opcode = 0;
  node = 0;
  answer = NO_ANSWER;
  /** Of a READ or WRITE: the thread that waits, its data, and what tells it the result. */
  thread: NativeThread | null = null;
  buffer: Buffer | null = null;
  signal: Signal | null = null;
}

/** Makes transfers with the reply behind them, without this thread. */
interface Linker {
  canReply: boolean;
  replyBehind(semaphore: number, address: number): void;
  wake(): void;
}

/** Called by fuse-native's C code for a read or a write; the offset in two halves. */
type TransferHandler = (
  thread: NativeThread,
  opcode: number,
  path: string,
  handle: number,
  buffer: Buffer,
  length: number,
  offsetLow: number,
  offsetHigh: number,
) => void;

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
  readonly #pending: Pending[] = [new Pending()];
  readonly #freeIds: number[] = [];
  /** The id behind a request whose reply is linked. */
  readonly #linked: number[] = [];
  #linker: Linker | null = null;
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

  /** @param linker Null: nothing is linked. */
  attach(plane: Receiver, loop: Loop, linker: Linker | null): void {
    this.#plane = plane;
    this.#loop = loop;
    this.#linker = linker;
  }

  /** Tells the plane which replies have left, then takes in what found no slot before. */
  endTurn(): void {
    const plane = this.#plane!;
    this.#tellReplied();
    while (this.#backlog.length > 0 && plane.receivable > 0) this.#backlog.shift()!();
  }

  reply(request: number, offset: number, length: number, linked: boolean): void {
    const { view } = this.#memory;
    const id = view.getUint32(offset + abi.OUT_UNIQUE, true) >>> 1;
    const pending = this.#pending[id]!;
    const payload = offset + abi.OUT_HEADER_BYTES;
    const bytes = length - abi.OUT_HEADER_BYTES;
    if (linked) {
      this.#linked[request] = id;
      this.#link(pending, payload, bytes);
      return;
    }
    const error = view.getInt32(offset + abi.OUT_ERROR, true);
    if (pending.signal !== null) this.#signal(pending, error < 0 ? error : bytes, payload);
    else if (error < 0) pending.answer(error);
    else this.#answer(pending, payload, bytes);
    this.#release(id);
    this.#replied.push(request);
  }

  /** The reply to a linked request has left. */
  sent(request: number): void {
    this.#release(this.#linked[request]!);
    this.#plane!.replied(request);
  }

  #release(id: number): void {
    const pending = this.#pending[id]!;
    pending.answer = NO_ANSWER;
    pending.thread = null;
    pending.buffer = null;
    pending.signal = null;
    this.#freeIds.push(id);
    this.#held--;
  }

  /** The thread is woken as soon as the transfer is complete; a READ's data goes straight to it. */
  #link({ opcode, thread }: Pending, payload: number, bytes: number): void {
    const isRead = opcode === abi.READ;
    const result = isRead ? bytes : this.#memory.view.getUint32(payload + abi.WRITE_OUT_SIZE, true);
    const semaphore = prepareReply(thread!, result);
    this.#linker!.replyBehind(semaphore, isRead ? bufferAddress(thread!) : 0);
  }

  /** Tells the thread of a READ or WRITE. @param bytes Of the payload; or -errno. */
  #signal({ opcode, thread, buffer, signal }: Pending, bytes: number, payload: number): void {
    let result = bytes;
    if (opcode === abi.READ) this.#data.copy(buffer!, 0, payload, payload + Math.max(0, bytes));
    else if (bytes >= 0) result = this.#memory.view.getUint32(payload + abi.WRITE_OUT_SIZE, true);
    signal!(thread!, result, result, buffer!.buffer);
  }

  #answer(pending: Pending, at: number, bytes: number): void {
    const { view } = this.#memory;
    const { opcode, answer } = pending;
    if (opcode === abi.GETATTR) answer(0, this.#attributes(pending.node, at));
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
    this.#send(abi.INIT, abi.ROOT_ID, abi.INIT_IN_MIN_BYTES + 4, answer, (writer) => {
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
      // fuse-native hands the access time over in the place of both.
      utimens: (_path, _atime, _mtime, answer) => answer(-ERRNO.EOPNOTSUPP),
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
    const refuse = (): void => {
      throw new Error('fuse-native called a handler that is replaced');
    };
    const operations: Pick<NativeOperations, 'open' | 'read' | 'write' | 'fsync' | 'release'> = {
      open: (path, flags, answer) => {
        this.#onNode(abi.OPEN, path, abi.OPEN_IN_BYTES, answer, (writer) => {
          writer.word(abi.OPEN_IN_FLAGS, flags);
        });
      },
      // There, so that libfuse knows them; what is called is of `transferHandlers`.
      read: refuse,
      write: refuse,
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

  /**
   * What fuse-native's C code is to call for reads and writes, past the class's own handlers, which make
   * five objects a request and answer a tick later.
   */
  transferHandlers(binding: NativeBinding): { read: TransferHandler; write: TransferHandler } {
    const make =
      (opcode: number, signal: Signal): TransferHandler =>
      (thread, _opcode, _path, handle, buffer, length, offsetLow, offsetHigh) => {
        const offset = offsetLow + offsetHigh * 4294967296;
        this.#transfer(opcode, signal, thread, handle, buffer, length, offset);
      };
    return {
      read: make(abi.READ, binding.fuse_native_signal_read),
      write: make(abi.WRITE, binding.fuse_native_signal_write),
    };
  }

  #transfer(
    opcode: number,
    signal: Signal,
    thread: NativeThread,
    handle: number,
    buffer: Buffer,
    length: number,
    offset: number,
  ): void {
    this.#held++;
    this.#loop!.begin();
    if (this.#backlog.length > 0 || this.#plane!.receivable <= 0) {
      this.#backlog.push(() => {
        this.#beginTransfer(opcode, signal, thread, handle, buffer, length, offset);
      });
      this.#loop!.wake();
    } else this.#beginTransfer(opcode, signal, thread, handle, buffer, length, offset);
  }

  #beginTransfer(
    opcode: number,
    signal: Signal,
    thread: NativeThread,
    handle: number,
    buffer: Buffer,
    length: number,
    offset: number,
  ): void {
    if (this.#linker !== null) {
      this.#linker.canReply = hasKnownLayout(thread, length, offset);
    }
    const id = this.#takeId();
    const pending = this.#pending[id]!;
    pending.opcode = opcode;
    pending.thread = thread;
    pending.buffer = buffer;
    pending.signal = signal;
    const slot = this.#memory.takeSlot();
    const writer = this.#writer;
    writer.begin(slot, opcode, id * 2, this.#handles.node(handle), abi.IO_IN_BYTES);
    writer.long(abi.IO_IN_FH, this.#handles.handle(handle));
    writer.long(abi.IO_IN_OFFSET, offset);
    writer.word(abi.IO_IN_SIZE, length);
    if (opcode === abi.WRITE) writer.append(buffer);
    this.#received(slot, id);
  }

  #onHandle(
    opcode: number,
    handle: number,
    bytes: number,
    answer: Answer,
    fill?: (writer: RequestWriter) => void,
  ): void {
    this.#send(opcode, this.#handles.node(handle), bytes, answer, (writer) => {
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
    else this.#send(opcode, node.id, bytes, answer, fill);
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
    this.#send(opcode, parent.id, bytes, answer, (writer) => {
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
    fill?: (writer: RequestWriter) => void,
  ): void {
    this.#held++;
    const begin = (): void => {
      const slot = this.#memory.takeSlot();
      const id = this.#takeId();
      const pending = this.#pending[id]!;
      pending.opcode = opcode;
      pending.node = node;
      pending.answer = answer;
      this.#writer.begin(slot, opcode, id * 2, node, bytes);
      fill?.(this.#writer);
      this.#received(slot, id);
    };
    this.#loop!.begin();
    if (this.#backlog.length > 0 || this.#plane!.receivable <= 0) {
      this.#backlog.push(begin);
      this.#loop!.wake();
    } else begin();
  }

  #takeId(): number {
    const free = this.#freeIds.pop();
    return free ?? this.#pending.push(new Pending()) - 1;
  }

  /** Hands a request over. If it is answered already no turn has to follow. */
  #received(slot: number, id: number): void {
    this.#plane!.received(slot, this.#writer.length);
    const { answer, signal } = this.#pending[id]!;
    if (answer === NO_ANSWER && signal === null) this.#tellReplied();
    else {
      this.#loop!.wake();
      if (this.#held === 1) this.#linker?.wake();
    }
  }

  #tellReplied(): void {
    while (this.#replied.length > 0) this.#plane!.replied(this.#replied.pop()!);
  }
}
