import { type Memory, SLOT_DATA, slotOffset } from '../buffers/memory.js';
import { READ } from '../plane/operation.js';
import { DEFERRED, type DiskService, type Owner, type Transport } from '../plane/transport.js';
import type { Tree } from '../tree/tree.js';
import { ERRNO } from '../util/errno.js';
import { Attributes } from './attributes.js';
import { describe } from './describe.js';
import { Files } from './files.js';
import { NativeHandles } from './native-handles.js';
import { bufferAddress, hasKnownLayout, type NativeThread, prepareReply } from './native-locals.js';
import type { NativeBinding, Signal } from './native-package.js';

/** A uid, gid and thread that no rule can name: fuse-native does not tell the caller. (0 would be root.) */
const UNKNOWN = 0xffffffff;

/** Another thread that makes transfers and sends the replies linked to them. */
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

/** The event loop that the data plane runs on. */
interface Loop {
  /** Something happens now. */
  begin(): void;
  /** The same, and a turn must follow. */
  wake(): void;
}

/** Gets the result of a request that was asked for by path, and the handle that an open left. */
type Answered = (result: number, handle: number) => void;

/** The parts of a session. */
export interface NativeSessionOptions {
  memory: Memory;
  disks: DiskService;
  tree: Tree;
  owner: Owner;
  /** Let the kernel cache disks, and control files with them: libfuse caches all files or none. */
  pageCache: boolean;
  /** Called with a line for each reply; null costs nothing. */
  trace: ((text: string) => void) | null;
}

/**
 * libfuse 2 through fuse-native: each callback becomes a request to the plane, and the reply answers
 * the callback. A callback that is not answered holds a thread of libfuse. Reads and writes come
 * here; callbacks with a path come through native-callbacks.ts.
 */
export class NativeSession implements Transport {
  readonly tree: Tree;
  readonly files: Files;
  readonly attributes: Attributes;
  readonly handles = new NativeHandles();
  readonly pageCache: boolean;

  readonly #memory: Memory;
  readonly #data: Buffer;
  readonly #disks: DiskService;
  readonly #trace: ((text: string) => void) | null;
  #loop: Loop | null = null;
  #linker: Linker | null = null;
  #unique = 0;
  #held = 0;

  // By request. A request under way has a signal or an answer.
  readonly #answers: (Answered | null)[] = [];
  readonly #signals: (Signal | null)[] = [];
  readonly #threads: (NativeThread | null)[] = [];
  readonly #buffers: (Buffer | null)[] = [];
  /** For the log. */
  readonly #asked: string[] = [];

  /** Replies that the plane does not yet know to have left. */
  readonly #replied: number[] = [];
  /** Callbacks that wait for a free slot. */
  readonly #backlog: (() => void)[] = [];

  constructor({ memory, disks, tree, owner, pageCache, trace }: NativeSessionOptions) {
    this.#memory = memory;
    this.#data = Buffer.from(memory.buffer);
    this.#disks = disks;
    this.#trace = trace;
    this.tree = tree;
    this.pageCache = pageCache;
    this.files = new Files(disks, pageCache);
    this.attributes = new Attributes(disks, tree, owner);
  }

  /** Callbacks that are not answered. */
  get held(): number {
    return this.#held;
  }

  get hasReplied(): boolean {
    return this.#replied.length > 0;
  }

  /** @param linker Null: nothing is linked. */
  attach(loop: Loop, linker: Linker | null): void {
    this.#loop = loop;
    this.#linker = linker;
  }

  /** Tells the plane which replies have left, then begins the callbacks that waited for a slot. */
  endTurn(): void {
    this.#tellReplied();
    while (this.#backlog.length > 0 && this.#disks.receivable > 0) this.#backlog.shift()!();
  }

  /** Makes a change to groups. A turn follows, as requests that wait may go now. */
  change(change: () => number): number {
    this.#loop!.begin();
    const result = change();
    this.#loop!.wake();
    return result;
  }

  /**
   * Begins a request that takes no data.
   * @param asked For the log.
   * @param begin Returns a result or DEFERRED.
   */
  ask(asked: string, begin: (request: number) => number, answered: Answered): void {
    const start = (): void => {
      const request = this.#take(asked);
      this.#answers[request] = answered;
      this.#begun(request, begin(request));
    };
    if (this.#mayBegin()) start();
    else this.#postpone(start);
  }

  /**
   * Handlers for reads and writes, called by fuse-native's C code. They replace those of the package's
   * class, which make five objects per request and answer a tick later.
   */
  transferHandlers(binding: NativeBinding): { read: TransferHandler; write: TransferHandler } {
    const make =
      (isWrite: boolean, signal: Signal): TransferHandler =>
      (thread, _opcode, _path, handle, buffer, length, offsetLow, offsetHigh) => {
        const offset = offsetLow + offsetHigh * 4294967296;
        if (this.#mayBegin()) {
          this.#transfer(isWrite, signal, thread, handle, buffer, length, offset);
        } else {
          this.#postpone(() => {
            this.#transfer(isWrite, signal, thread, handle, buffer, length, offset);
          });
        }
      };
    return {
      read: make(false, binding.fuse_native_signal_read),
      write: make(true, binding.fuse_native_signal_write),
    };
  }

  #mayBegin(): boolean {
    this.#held++;
    this.#loop!.begin();
    return this.#backlog.length === 0 && this.#disks.receivable > 0;
  }

  #postpone(begin: () => void): void {
    this.#backlog.push(begin);
    this.#loop!.wake();
  }

  #transfer(
    isWrite: boolean,
    signal: Signal,
    thread: NativeThread,
    handle: number,
    buffer: Buffer,
    length: number,
    offset: number,
  ): void {
    if (this.#linker !== null) this.#linker.canReply = hasKnownLayout(thread, length, offset);
    const request = this.#take(isWrite ? 'WRITE' : 'READ');
    this.#threads[request] = thread;
    this.#buffers[request] = buffer;
    this.#signals[request] = signal;
    const result = isWrite
      ? this.#write(request, handle, buffer, offset)
      : this.#read(request, handle, buffer, length, offset);
    this.#begun(request, result);
  }

  #read(request: number, number: number, buffer: Buffer, length: number, offset: number): number {
    const node = this.tree.node(this.handles.node(number));
    if (node === undefined) return -ERRNO.ENODEV;
    const handle = this.handles.handle(number);
    return this.files.read(request, node, handle, offset, length, buffer, 0);
  }

  #write(request: number, number: number, buffer: Buffer, offset: number): number {
    const node = this.tree.node(this.handles.node(number));
    if (node === undefined) return -ERRNO.ENODEV;
    if (node.kind === 'control') {
      const handle = this.handles.handle(number);
      return this.change(() => this.files.change(request, node, handle, buffer));
    }
    const slot = this.#memory.takeSlot();
    this.#disks.requests.slot[request] = slot;
    this.#memory.bytes.set(buffer, slotOffset(slot) + SLOT_DATA);
    return this.files.write(request, node, offset, buffer.length, false);
  }

  #take(asked: string): number {
    const { requests } = this.#disks;
    const request = requests.take();
    this.#answers[request] = null;
    this.#signals[request] = null;
    // Numbers are exact up to 2^53, more than there will be requests.
    const unique = ++this.#unique;
    requests.uniqueLow[request] = unique >>> 0;
    requests.uniqueHigh[request] = Math.floor(unique / 4294967296);
    requests.uid[request] = UNKNOWN;
    requests.gid[request] = UNKNOWN;
    requests.thread[request] = UNKNOWN;
    if (this.#trace !== null) this.#asked[request] = asked;
    return request;
  }

  /** A request was begun. No turn has to follow if it is answered already. */
  #begun(request: number, result: number): void {
    if (result !== DEFERRED) this.#answer(request, result);
    if (this.#signals[request] === null && this.#answers[request] === null) this.#tellReplied();
    else {
      this.#loop!.wake();
      if (this.#held === 1) this.#linker?.wake();
    }
  }

  reply(request: number, result: number, at: number, linked: boolean): void {
    if (linked) {
      this.#link(request, result);
      return;
    }
    const isRead = this.#disks.requests.operation[request] === READ;
    if (isRead && result > 0) this.#data.copy(this.#buffers[request]!, 0, at, at + result);
    this.#answer(request, result);
  }

  /** The thread is woken as soon as the transfer is complete; a READ's data goes straight to it. */
  #link(request: number, result: number): void {
    const thread = this.#threads[request]!;
    const isRead = this.#disks.requests.operation[request] === READ;
    const semaphore = prepareReply(thread, result);
    this.#linker!.replyBehind(semaphore, isRead ? bufferAddress(thread) : 0);
  }

  /** The reply to a linked request has left. */
  sent(request: number): void {
    this.#release(request);
    this.#disks.replied(request);
  }

  /** The data of a read is in its buffer. */
  #answer(request: number, result: number): void {
    const { requests } = this.#disks;
    if (this.#trace !== null) {
      this.#trace(describe(requests, request, this.#asked[request]!, result));
    }
    const signal = this.#signals[request]!;
    if (signal === null) this.#answers[request]!(result, requests.handle[request]!);
    else signal(this.#threads[request]!, result, result, this.#buffers[request]!.buffer);
    this.#release(request);
    this.#replied.push(request);
  }

  #release(request: number): void {
    this.#answers[request] = null;
    this.#signals[request] = null;
    this.#threads[request] = null;
    this.#buffers[request] = null;
    this.#held--;
  }

  #tellReplied(): void {
    while (this.#replied.length > 0) this.#disks.replied(this.#replied.pop()!);
  }
}
