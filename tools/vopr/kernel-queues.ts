import * as abi from '../../src/fuse/abi.js';
import { setU64 } from '../../src/fuse/wire.js';
import { bytesAt } from '../../src/sys/memory.js';
import { ERRNO } from '../../src/util/errno.js';
import type { Entry } from './sim-ring.js';
import { Failure } from './world.js';

/** A request of a caller. */
export interface Ask {
  opcode: number;
  node: number;
  /** Behind the header. */
  body: Uint8Array;
  uid?: number;
  gid?: number;
  /** The caller's thread; 0: not visible. */
  thread?: number;
}

/** An entry that the daemon has registered. */
interface QueueEntry {
  queue: number;
  headers: number;
  payload: number;
  done: (result: number) => void;
}

interface Waiting {
  unique: number;
  ask: Ask;
}

/** Bytes of the first argument, where it is not all that follows the header. */
const FIRST_BYTES: Readonly<Record<number, number>> = {
  [abi.LOOKUP]: 0,
  [abi.RMDIR]: 0,
  [abi.MKDIR]: abi.MKDIR_IN_BYTES,
  [abi.WRITE]: abi.IO_IN_BYTES,
};
const FIRST_MOST = 128;

/** Writes struct fuse_in_header of a request with `length` bytes behind it. */
export function writeHeader(to: Uint8Array, { unique, ask }: Waiting, length: number): void {
  const view = new DataView(to.buffer, to.byteOffset, abi.IN_HEADER_BYTES);
  to.fill(0, 0, abi.IN_HEADER_BYTES);
  view.setUint32(abi.IN_LEN, abi.IN_HEADER_BYTES + length, true);
  view.setUint32(abi.IN_OPCODE, ask.opcode, true);
  setU64(view, abi.IN_UNIQUE, unique);
  setU64(view, abi.IN_NODEID, ask.node);
  view.setUint32(abi.IN_UID, ask.uid ?? 0, true);
  view.setUint32(abi.IN_GID, ask.gid ?? 0, true);
  view.setUint32(abi.IN_PID, ask.thread ?? 0, true);
}

/** The kernel's end of FUSE over io_uring: queues of entries, as in Linux 6.18. */
export class KernelQueues {
  readonly #count: number;
  /** Takes a reply: error and payload. */
  readonly #reply: (unique: number, error: number, payload: Uint8Array) => void;
  /** By queue: entries that wait for a request, the newest first, and requests that wait for an entry. */
  readonly #free: QueueEntry[][];
  readonly #waiting: Waiting[][];
  /** Requests from before the daemon was ready, which nobody sends yet. */
  readonly #blocked: Waiting[] = [];
  /** Entries with a request, by its id. */
  readonly #busy = new Map<number, QueueEntry>();
  #isReady = false;
  #isConnected = true;

  constructor(count: number, reply: (unique: number, error: number, payload: Uint8Array) => void) {
    this.#count = count;
    this.#reply = reply;
    this.#free = Array.from({ length: count }, () => []);
    this.#waiting = Array.from({ length: count }, () => []);
  }

  /** Requests that the daemon has not received. */
  get unreceived(): number {
    const queued = this.#waiting.reduce((sum, { length }) => sum + length, 0);
    return queued + this.#blocked.length;
  }

  /** A request waits for an entry. */
  isWaiting(unique: number): boolean {
    return [this.#blocked, ...this.#waiting].some((all) =>
      all.some((one) => one.unique === unique),
    );
  }

  /** Entries that wait for a request. */
  get free(): number {
    return this.#free.reduce((sum, { length }) => sum + length, 0);
  }

  send(request: Waiting): void {
    if (!this.#isReady) {
      this.#blocked.push(request);
      return;
    }
    // The processor of its caller.
    const queue = (request.unique >> 1) % this.#count;
    const entry = this.#free[queue]!.shift();
    if (entry === undefined) this.#waiting[queue]!.push(request);
    else this.#deliver(entry, request);
  }

  command(entry: Entry, done: (result: number) => void): void {
    const [low, high, queue] = entry.command!;
    if (!this.#isConnected) done(-ERRNO.ENOTCONN);
    else if (queue! >= this.#count) throw new Failure(`a command to queue ${queue}`);
    else if (entry.offset === abi.URING_REGISTER) this.#register(entry, queue!, done);
    else if (high !== 0) throw new Failure('a reply to a request with an id of 64 bits');
    else this.#commit(low!, queue!, done);
  }

  disconnect(): void {
    this.#isConnected = false;
    for (const { done } of this.#free.flatMap((entries) => entries.splice(0))) {
      done(-ERRNO.ENOTCONN);
    }
    for (const requests of this.#waiting) requests.length = 0;
    this.#blocked.length = 0;
  }

  #register({ address, length }: Entry, queue: number, done: (result: number) => void): void {
    if (length !== 2) throw new Failure('a registration with other than two ranges');
    const bytes = bytesAt(address, 32);
    const view = new DataView(bytes.buffer, bytes.byteOffset, 32);
    const [headers, headerBytes, payload, payloadBytes] = [0, 8, 16, 24].map((at) =>
      Number(view.getBigUint64(at, true)),
    );
    if (headerBytes! < abi.URING_HEADER_BYTES || payloadBytes! < 1 << 20) done(-ERRNO.EINVAL);
    // It takes no request that waits: only one that comes later, or the next reply, does.
    this.#free[queue]!.unshift({ queue, headers: headers!, payload: payload!, done });
    if (this.#isReady || this.#free.some(({ length }) => length === 0)) return;
    this.#isReady = true;
    for (const request of this.#blocked.splice(0)) this.send(request);
  }

  #commit(unique: number, queue: number, done: (result: number) => void): void {
    const entry = this.#busy.get(unique);
    if (entry?.queue !== queue) throw new Failure(`a reply to request ${unique}, in no entry`);
    this.#busy.delete(unique);
    const headers = bytesAt(entry.headers, abi.URING_HEADER_BYTES);
    const view = new DataView(headers.buffer, headers.byteOffset, headers.length);
    const length = view.getUint32(abi.URING_PAYLOAD_BYTES, true);
    const error = view.getInt32(abi.OUT_ERROR, true);
    if (view.getUint32(abi.OUT_UNIQUE, true) !== unique || view.getUint32(12, true) !== 0) {
      throw new Failure(`a reply to request ${unique} in the name of another one`);
    }
    if (error !== 0 && length !== 0) throw new Failure('an error with a payload');
    this.#reply(unique, error, bytesAt(entry.payload, length));
    const next = { ...entry, done };
    const request = this.#waiting[queue]!.shift();
    if (request === undefined) this.#free[queue]!.unshift(next);
    else this.#deliver(next, request);
  }

  #deliver(entry: QueueEntry, request: Waiting): void {
    const { body, opcode } = request.ask;
    const first = Math.min(FIRST_BYTES[opcode] ?? FIRST_MOST, body.length);
    const headers = bytesAt(entry.headers, abi.URING_HEADER_BYTES);
    const rest = body.length - first;
    writeHeader(headers, request, body.length);
    headers.set(body.subarray(0, first), abi.URING_OP_IN);
    const view = new DataView(headers.buffer, headers.byteOffset, headers.length);
    setU64(view, abi.URING_COMMIT_ID, request.unique);
    view.setUint32(abi.URING_PAYLOAD_BYTES, rest, true);
    if (rest > 0) bytesAt(entry.payload, rest).set(body.subarray(first));
    this.#busy.set(request.unique, entry);
    entry.done(0);
  }
}
