import * as abi from '../../src/fuse/abi.js';
import { getU64 } from '../../src/fuse/wire.js';
import { bytesAt } from '../../src/sys/memory.js';
import * as uring from '../../src/uring/abi.js';
import { ERRNO } from '../../src/util/errno.js';
import type { Coverage } from './coverage.js';
import { type Ask, KernelQueues, writeHeader } from './kernel-queues.js';
import * as body from './requests.js';
import { replyOf } from './sim-pages.js';
import type { Entry, RingTarget } from './sim-ring.js';
import { giveBack, take } from './spare-memory.js';
import { Failure, type World } from './world.js';

/** A reply, or the kernel's own answer for a session that has ended. */
export interface Answer {
  /** 0 or -errno. */
  error: number;
  /** Until the caller waits again. */
  payload: Uint8Array;
  /** It came from the daemon. */
  isReply: boolean;
}

/** What a request has in the upper half of its id when it is sent again. */
const RESENT = 0x8000_0000;

/** A request that is not answered. */
interface Asked {
  ask: Ask;
  opcode: number;
  answer: (answer: Answer) => void;
  /** The daemon has received it. */
  isReceived: boolean;
  isResent: boolean;
  /** A signal has come for its caller. */
  isInterrupted: boolean;
}

/** Handles of control files begin there. */
const FIRST_CONTROL = 2 ** 52;
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
  /** Requests that callers have sent. */
  count = 0;
  /** Called after each of them. */
  asked: () => void = () => {};
  /** Bytes of the reply that is being taken are kept for none of its callers. */
  readonly #world: World;
  readonly #coverage: Coverage;
  readonly #refuses: (unique: number) => boolean;
  readonly #toSend: { unique: number; ask: Ask }[] = [];
  readonly #receives: { entry: Entry; done: (result: number) => void }[] = [];
  readonly #answered = new Map<number, Asked>();
  /** Open handles of disks, by node. */
  readonly #opened = new Map<number, number>();
  readonly #closing = new Set<number>();
  #unique = 0;
  readonly #step: number;
  /** FUSE over io_uring, once the daemon has asked for it. */
  readonly #queues: KernelQueues | null;
  #usesQueues = false;
  #isConnected = true;

  /**
   * @param step Ids of requests are multiples of this even number. Linux has 2; of an id that comes again after
   *   thousands of requests, in a table of fewer places, runs see little then.
   * @param queues Queues of FUSE over io_uring; 0: it is turned off.
   * @param refuses Whether the kernel lacks the memory to take the reply to a request.
   */
  constructor(
    world: World,
    coverage: Coverage,
    step: number,
    queues: number,
    refuses: (unique: number) => boolean,
  ) {
    this.#step = step;
    this.#refuses = refuses;
    this.#world = world;
    this.#coverage = coverage;
    this.#queues =
      queues === 0
        ? null
        : new KernelQueues(queues, (unique, error, payload) => {
            this.#take(unique, error, payload);
          });
  }

  /**
   * Open handles by node, null: it is not certain which, as one is being opened or closed. An abort takes such requests away,
   * and whether a daemon has carried them out is not known.
   */
  get opens(): ReadonlyMap<number, number> | null {
    if (!this.#isConnected) return null;
    for (const { opcode } of this.#answered.values()) {
      if (opcode === abi.OPEN || opcode === abi.RELEASE) return null;
    }
    return this.#opened;
  }

  #noteClose({ opcode, body: asked }: Ask): void {
    if (opcode !== abi.RELEASE) return;
    const handle = getU64(viewOf(asked), 0);
    if (this.#closing.has(handle)) throw new Failure(`handle ${handle} is closed twice`);
    this.#closing.add(handle);
  }

  /** A change of groups is under way: nobody has been told of it. */
  get changesGroups(): boolean {
    return [...this.#answered.values()].some(({ opcode, ask }) => {
      if (opcode !== abi.WRITE) return opcode === abi.MKDIR || opcode === abi.RMDIR;
      return getU64(viewOf(ask.body), 0) >= FIRST_CONTROL;
    });
  }

  /** Keeps count of open disks. */
  #count({ opcode, node, body: asked }: Ask, error: number, bytes: Uint8Array): void {
    if (error !== 0 || (opcode !== abi.OPEN && opcode !== abi.RELEASE)) return;
    const isOpen = opcode === abi.OPEN;
    const handle = getU64(viewOf(isOpen ? bytes : asked), isOpen ? abi.OPEN_OUT_FH : 0);
    if (handle >= FIRST_CONTROL) return;
    const before = this.#opened.get(node) ?? 0;
    this.#opened.set(node, before + (isOpen ? 1 : -1));
  }

  /** Slots that the kernel has: of receives that are queued, and of entries. */
  get slots(): number {
    return this.#receives.length + (this.#queues?.free ?? 0);
  }

  /** Requests that the daemon has not received. */
  get unreceived(): number {
    return this.#toSend.length + (this.#queues?.unreceived ?? 0);
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
    this.#noteClose(ask);
    const { opcode } = ask;
    const nothing = { isReceived: false, isResent: false, isInterrupted: false };
    this.#answered.set(unique, { ask, opcode, answer, ...nothing });
    this.#world.trace?.(`${unique} ${NAMES.get(ask.opcode)} node ${ask.node} ${describe(ask)}`);
    if (this.#usesQueues) this.#queues!.send({ unique, ask });
    else this.#send(unique, ask);
    this.count++;
    this.asked();
    return unique;
  }

  /** A request without a reply. */
  tell(ask: Ask): void {
    if (this.#isConnected) this.#send(this.#unique + 1, ask);
  }

  /**
   * A signal comes for the caller of a request.
   * @returns The daemon is told. Of a request that waits for an entry of a queue Linux does not tell it.
   */
  interrupt(unique: number): boolean {
    if (this.#queues?.isWaiting(unique) === true) return false;
    const asked = this.#answered.get(unique);
    if (asked !== undefined) asked.isInterrupted = true;
    this.tell(this.#interruption(unique));
    return true;
  }

  /** FUSE_NOTIFY_RESEND: what the daemon has received and not answered comes again, in no order, before all else. */
  resend(): void {
    const again = [...this.#answered]
      .filter(([, { isReceived }]) => isReceived)
      .sort(([a], [b]) => placeOf(a) - placeOf(b));
    for (const [unique, asked] of again) {
      this.#coverage.add(`resent ${NAMES.get(asked.opcode)}`);
      this.#world.trace?.(`${unique} is sent again`);
      asked.isResent = true;
      asked.isReceived = false;
    }
    this.#toSend.unshift(...again.map(([unique, { ask }]) => ({ unique, ask })));
    this.#pump();
  }

  /** A daemon has gone, and its receives with it. */
  leave(): void {
    this.#receives.length = 0;
  }

  #interruption(unique: number): Ask {
    const high = this.#answered.get(unique)?.isResent === true ? RESENT : 0;
    return { opcode: abi.INTERRUPT, node: 0, body: body.interruptBody(unique, high) };
  }

  isWaiting(unique: number): boolean {
    return this.#answered.has(unique);
  }

  /** Takes the connection away: requests that are not answered end in an error. */
  disconnect(): void {
    if (!this.#isConnected) return;
    this.#isConnected = false;
    this.#toSend.length = 0;
    this.#queues?.disconnect();
    for (const { done } of this.#receives.splice(0)) done(-ERRNO.ENODEV);
    for (const { answer } of [...this.#answered.values()]) {
      this.#world.schedule(0, () =>
        answer({ error: -ERRNO.ENOTCONN, payload: NONE, isReply: false }),
      );
    }
    this.#answered.clear();
  }

  start(entry: Entry, done: (result: number) => void): void {
    if (entry.opcode === uring.OP_COMMAND) this.#queues!.command(entry, done);
    else if (entry.opcode === uring.OP_READ) {
      if (!this.#isConnected) done(-ERRNO.ENODEV);
      else {
        this.#receives.push({ entry, done });
        this.#pump();
      }
    } else if (entry.opcode === uring.OP_CANCEL) this.#cancelReceives(done);
    else done(this.#reply(replyOf(entry, this.#coverage)));
  }

  #cancelReceives(done: (result: number) => void): void {
    const taken = this.#receives.splice(0);
    for (const { done: ended } of taken) ended(-ERRNO.ECANCELED);
    done(taken.length);
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
      writeHeader(bytes, { unique, ask }, ask.body.length);
      bytes.set(ask.body, abi.IN_HEADER_BYTES);
      const asked = this.#answered.get(unique);
      if (asked !== undefined) {
        asked.isReceived = true;
        if (asked.isResent) setHigh(bytes, abi.IN_UNIQUE, RESENT);
        // The kernel tells of the signal anew.
        if (asked.isResent && asked.isInterrupted) {
          this.#toSend.unshift({ unique: unique + 1, ask: this.#interruption(unique) });
        }
      }
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
    if (view.getUint32(abi.OUT_UNIQUE + 4, true) !== (asked.isResent ? RESENT : 0)) {
      throw new Failure(`a reply to request ${unique} with another upper half of its id`);
    }
    // The error reply of 16 bytes that follows is taken.
    if (this.#isTransfer(asked.opcode, bytes.length) && this.#refuses(unique)) return -ERRNO.ENOMEM;
    this.#take(unique, error, bytes.subarray(abi.OUT_HEADER_BYTES));
    return bytes.length;
  }

  /** Hands a reply to its caller. @param bytes Its payload, in the daemon's memory. */
  #take(unique: number, error: number, bytes: Uint8Array): void {
    const asked = this.#answered.get(unique);
    if (asked === undefined) throw new Failure(`a reply to request ${unique}, in no table`);
    if (error > 0 || error <= -512) throw new Failure(`a reply with the error ${error}`);
    this.#answered.delete(unique);
    if (asked.opcode === abi.INIT && this.#queues !== null) {
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
      const flags2 = view.getUint32(abi.INIT_OUT_FLAGS2, true);
      this.#usesQueues = (flags2 & abi.OVER_IO_URING) !== 0;
    }
    this.#count(asked.ask, error, bytes);
    const name = NAMES.get(asked.opcode) ?? 'other';
    this.#coverage.add(`reply ${name} ${error === 0 ? 'ok' : -error}`);
    const { length } = bytes;
    this.#world.trace?.(`${unique} ${name} answered ${error}, ${length} bytes`);
    if (length < LARGE_BYTES) {
      const payload = bytes.slice();
      this.#world.schedule(0, () => asked.answer({ error, payload, isReply: true }));
      return;
    }
    const memory = take(length);
    memory.set(bytes);
    this.#world.schedule(0, () => {
      asked.answer({ error, payload: memory.subarray(0, length), isReply: true });
      giveBack(memory);
    });
  }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

/** Requests that are sent again come in the order of a hash. */
function placeOf(unique: number): number {
  return Math.imul(unique, 0x9e3779b1) >>> 24;
}

function setHigh(bytes: Uint8Array, at: number, high: number): void {
  new DataView(bytes.buffer, bytes.byteOffset, bytes.length).setUint32(at + 4, high, true);
}

/** Offset and length of a request that has them at the usual place. */
function describe({ opcode, body }: Ask): string {
  const hasRange = opcode === abi.READ || opcode === abi.WRITE || opcode === abi.FALLOCATE;
  if (!hasRange) return '';
  const view = new DataView(body.buffer, body.byteOffset);
  return `${view.getUint32(8, true)}+${view.getUint32(16, true)}`;
}
