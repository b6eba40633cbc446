import * as abi from '../../src/fuse/abi.js';
import { setU64 } from '../../src/fuse/wire.js';
import { bytesAt } from '../../src/sys/memory.js';
import * as uring from '../../src/uring/abi.js';
import { ERRNO } from '../../src/util/errno.js';
import type { Coverage } from './coverage.js';
import type { Entry, RingTarget } from './sim-ring.js';
import { giveBack, take } from './spare-memory.js';
import { Failure, type World } from './world.js';

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

/** A reply, or the kernel's own answer for a session that has ended. */
export interface Answer {
  /** 0 or -errno. */
  error: number;
  /** Until the caller waits again. */
  payload: Uint8Array;
  /** It came from the daemon. */
  isReply: boolean;
}

const NONE = new Uint8Array(0);
/** Payloads from here on are in memory that is used again once their caller has looked at them. */
const LARGE_BYTES = 4096;
/** Names of opcodes for the coverage. */
const NAMES = new Map(
  Object.entries(abi)
    .filter(([name]) => /^[A-Z]+2?$/.test(name))
    .map(([name, value]) => [value as number, name]),
);

/** The kernel's end of /dev/fuse. */
export class FuseKernel implements RingTarget {
  /** Bytes of the reply that is being taken are kept for none of its callers. */
  readonly #world: World;
  readonly #coverage: Coverage;
  readonly #refuses: (unique: number) => boolean;
  readonly #toSend: { unique: number; ask: Ask }[] = [];
  readonly #receives: { entry: Entry; done: (result: number) => void }[] = [];
  readonly #answered = new Map<number, { opcode: number; answer: (answer: Answer) => void }>();
  #unique = 0;
  readonly #step: number;
  #isConnected = true;

  /**
   * @param step Ids of requests are multiples of this even number. Linux has 2; of an id that comes again after
   *   thousands of requests, in a table of fewer places, runs see little then.
   * @param refuses Whether the kernel lacks the memory to take the reply to a request.
   */
  constructor(
    world: World,
    coverage: Coverage,
    step: number,
    refuses: (unique: number) => boolean,
  ) {
    this.#step = step;
    this.#refuses = refuses;
    this.#world = world;
    this.#coverage = coverage;
  }

  /** Receives that are queued. */
  get receives(): number {
    return this.#receives.length;
  }

  /** Requests that the daemon has not received. */
  get unreceived(): number {
    return this.#toSend.length;
  }

  get isConnected(): boolean {
    return this.#isConnected;
  }

  /** Sends a request. @returns Its id. */
  ask(ask: Ask, answer: (answer: Answer) => void): number {
    this.#unique += this.#step;
    const unique = this.#unique;
    if (!this.#isConnected) {
      this.#world.schedule(0, () =>
        answer({ error: -ERRNO.ENOTCONN, payload: NONE, isReply: false }),
      );
      return unique;
    }
    this.#answered.set(unique, { opcode: ask.opcode, answer });
    this.#world.trace?.(`${unique} ${NAMES.get(ask.opcode)} node ${ask.node} ${describe(ask)}`);
    this.#send(unique, ask);
    return unique;
  }

  /** A request without a reply. */
  tell(ask: Ask): void {
    if (this.#isConnected) this.#send(this.#unique + 1, ask);
  }

  isWaiting(unique: number): boolean {
    return this.#answered.has(unique);
  }

  /** Takes the connection away: requests that are not answered end in an error. */
  disconnect(): void {
    if (!this.#isConnected) return;
    this.#isConnected = false;
    this.#toSend.length = 0;
    for (const { done } of this.#receives.splice(0)) done(-ERRNO.ENODEV);
    for (const { answer } of [...this.#answered.values()]) {
      this.#world.schedule(0, () =>
        answer({ error: -ERRNO.ENOTCONN, payload: NONE, isReply: false }),
      );
    }
    this.#answered.clear();
  }

  start(entry: Entry, done: (result: number) => void): void {
    if (entry.opcode === uring.OP_READ) {
      if (!this.#isConnected) done(-ERRNO.ENODEV);
      else {
        this.#receives.push({ entry, done });
        this.#pump();
      }
    } else done(this.#reply(bytesAt(entry.address, entry.length)));
  }

  /** Control files have no excuse for an error. */
  #isTransfer(opcode: number, bytes: number): boolean {
    return opcode === abi.READ && bytes > abi.OUT_HEADER_BYTES;
  }

  #send(unique: number, ask: Ask): void {
    this.#toSend.push({ unique, ask });
    this.#pump();
  }

  #pump(): void {
    while (this.#toSend.length > 0 && this.#receives.length > 0) {
      const { unique, ask } = this.#toSend.shift()!;
      const { entry, done } = this.#receives.shift()!;
      const length = abi.IN_HEADER_BYTES + ask.body.length;
      const bytes = bytesAt(entry.address, length);
      const view = new DataView(bytes.buffer, bytes.byteOffset, length);
      bytes.fill(0, 0, abi.IN_HEADER_BYTES);
      view.setUint32(abi.IN_LEN, length, true);
      view.setUint32(abi.IN_OPCODE, ask.opcode, true);
      setU64(view, abi.IN_UNIQUE, unique);
      setU64(view, abi.IN_NODEID, ask.node);
      view.setUint32(abi.IN_UID, ask.uid ?? 0, true);
      view.setUint32(abi.IN_GID, ask.gid ?? 0, true);
      view.setUint32(abi.IN_PID, ask.thread ?? 0, true);
      bytes.set(ask.body, abi.IN_HEADER_BYTES);
      done(length);
    }
  }

  /** Takes the bytes of a reply. Returns their number, or -errno as the kernel does. */
  #reply(bytes: Uint8Array): number {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    if (view.getUint32(abi.OUT_LEN, true) !== bytes.length) {
      throw new Failure('a reply whose length is not the length in its header');
    }
    const unique = view.getUint32(abi.OUT_UNIQUE, true);
    const error = view.getInt32(abi.OUT_ERROR, true);
    if (!this.#isConnected) return -ERRNO.ENOENT;
    const asked = this.#answered.get(unique);
    if (asked === undefined)
      throw new Failure(`a reply to request ${unique}, which waits for none`);
    if (error > 0 || error <= -512) throw new Failure(`a reply with the error ${error}`);
    // The error reply of 16 bytes that follows is taken.
    if (this.#isTransfer(asked.opcode, bytes.length) && this.#refuses(unique)) return -ERRNO.ENOMEM;
    this.#answered.delete(unique);
    const name = NAMES.get(asked.opcode) ?? 'other';
    this.#coverage.add(`reply ${name} ${error === 0 ? 'ok' : -error}`);
    const length = bytes.length - abi.OUT_HEADER_BYTES;
    this.#world.trace?.(`${unique} ${name} answered ${error}, ${length} bytes`);
    if (length < LARGE_BYTES) {
      const payload = bytes.slice(abi.OUT_HEADER_BYTES);
      this.#world.schedule(0, () => asked.answer({ error, payload, isReply: true }));
      return bytes.length;
    }
    const memory = take(length);
    memory.set(bytes.subarray(abi.OUT_HEADER_BYTES));
    this.#world.schedule(0, () => {
      asked.answer({ error, payload: memory.subarray(0, length), isReply: true });
      giveBack(memory);
    });
    return bytes.length;
  }
}

/** Offset and length of a request that has them at the usual place. */
function describe({ opcode, body }: Ask): string {
  const hasRange = opcode === abi.READ || opcode === abi.WRITE || opcode === abi.FALLOCATE;
  if (!hasRange) return '';
  const view = new DataView(body.buffer, body.byteOffset);
  return `${view.getUint32(8, true)}+${view.getUint32(16, true)}`;
}
