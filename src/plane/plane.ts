import {
  IN_FLIGHT_MAX,
  type Memory,
  RECEIVE_SLOTS,
  SLOT_ANSWER,
  SLOT_DATA,
  SLOT_REQUEST,
  slotOffset,
} from '../buffers/memory.js';
import { PayloadPool } from '../buffers/payload-pool.js';
import * as abi from '../fuse/abi.js';
import type { Owner } from '../fuse/attributes.js';
import { DEFERRED, NO_REPLY } from '../fuse/disk-operations.js';
import { Dispatcher } from '../fuse/dispatch.js';
import type { Transport } from '../fuse/transport.js';
import type { Engine, Task } from '../host/engine.js';
import { newExtent } from '../image/extent.js';
import type { Throttle } from '../throttle/throttle.js';
import type { Tree } from '../tree/tree.js';
import { ERRNO } from '../util/errno.js';
import { Charging } from './charging.js';
import type { Disk } from './disk.js';
import { type Admission, DiskRequests } from './disk-requests.js';
import { HostErrors } from './host-errors.js';
import { Interrupted } from './interrupted.js';
import { LastFlush, type Unflushed } from './last-flush.js';
import type { Members } from './members.js';
import { Operations } from './operations.js';
import type { Parts } from './parts.js';
import { Reads } from './reads.js';
import { Replies } from './replies.js';
import { LINKED, NONE, Requests, TASK, WAITING } from './requests.js';
import { Tasks } from './tasks.js';
import { WaitingIndex } from './waiting-index.js';
import { Writes } from './writes.js';

/** What the plane is made of. */
export interface PlaneOptions {
  memory: Memory;
  disks: readonly Disk[];
  throttle: Throttle;
  members: Members;
  engine: Engine;
  transport: Transport;
  tree: Tree;
  owner: Owner;
  /** Whether a thread is being ended; may read /proc. */
  isBeingKilled: (thread: number) => boolean;
  /** Let the kernel cache disks. */
  pageCache: boolean;
  /** Called when INIT has been answered; false: the kernel is too old and was refused. */
  initialised: (accepted: boolean) => void;
  /** Called with what the throttle warns of. */
  warn: (text: string) => void;
  /** Called with a line for each reply; null costs nothing. */
  trace: ((text: string) => void) | null;
}

/**
 * The data plane: takes each request from its transport through the throttle to the engine and its
 * result back. Knows neither ring nor descriptors; a loop calls `beginTurn`, then `received`,
 * `completed` and `replied` for what has happened, then `endTurn`.
 */
export class Plane implements Admission {
  /** Time of this turn, nanoseconds of the loop's clock. */
  nowNs = 0;
  readonly requests = new Requests();
  /** The reply to INIT has left. */
  isServing = false;
  readonly dispatcher: Dispatcher;

  readonly #memory: Memory;
  readonly #throttle: Throttle;
  readonly #charging: Charging;
  readonly #initialised: (accepted: boolean) => void;
  readonly #warn: (text: string) => void;
  readonly #pool = new PayloadPool();
  readonly #waiting = new WaitingIndex(this.requests);
  readonly #interrupted: Interrupted;
  readonly #hostErrors: HostErrors;
  readonly #replies: Replies;
  readonly #tasks: Tasks;
  readonly #reads: Reads;
  readonly #writes: Writes;
  readonly #operations: Operations;
  readonly #disks: readonly Disk[];
  readonly #lastFlush = new LastFlush(this.requests);
  /** The request that the dispatcher has in hand. */
  #current = NONE;
  #inFlight = 0;

  constructor(options: PlaneOptions) {
    const { memory, disks, engine, transport } = options;
    this.#memory = memory;
    this.#disks = disks;
    this.#throttle = options.throttle;
    this.#charging = new Charging(this.requests, disks, options.members, options.throttle);
    options.members.rulesChanged = () => this.#rulesChanged();
    this.#initialised = options.initialised;
    this.#interrupted = new Interrupted(this.requests, options.isBeingKilled);
    this.#warn = options.warn;
    this.#tasks = new Tasks(this.requests, (request, result) => this.#taskEnded(request, result));
    const { requests } = this;
    const extent = newExtent();
    const granted = (request: number): void => this.#granted(request);
    const core = { requests, memory, disks, engine, tasks: this.#tasks, granted, extent };
    const operations = new Operations(core);
    const asked = new DiskRequests(disks, this, operations);
    const { tree, owner, pageCache } = options;
    this.dispatcher = new Dispatcher(tree, asked, memory.buffer, owner, pageCache);
    const errors = new HostErrors(options.warn);
    this.#hostErrors = errors;
    const failed = (disk: number, operation: string, offset: number, result: number): void =>
      errors.add(disks[disk]?.config.name ?? '', operation, offset, result, this.nowNs);
    this.#replies = new Replies(
      requests,
      memory,
      this.dispatcher,
      transport,
      failed,
      options.trace,
    );
    const parts: Parts = { ...core, replies: this.#replies };
    this.#operations = operations;
    this.#reads = new Reads(parts);
    this.#writes = new Writes(parts);
  }

  /** Slots that may be used to receive: every request in flight can still get one of its own. */
  get receivable(): number {
    const spare = this.#memory.freeSlots - (IN_FLIGHT_MAX - this.#inFlight);
    return Math.min(spare, RECEIVE_SLOTS, this.requests.available);
  }

  /** Payloads in the pool, for trimming. */
  get pooled(): number {
    return this.#pool.inUse;
  }

  /** Requests between admission and the departure of their reply. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /** A request of `bytes` is in `slot`. */
  received(slot: number, bytes: number): void {
    const { requests } = this;
    const { words, view } = this.#memory;
    const at = slotOffset(slot) + SLOT_REQUEST;
    const request = requests.take();
    requests.slot[request] = slot;
    requests.opcode[request] = words[(at + abi.IN_OPCODE) >> 2]!;
    requests.uniqueLow[request] = words[(at + abi.IN_UNIQUE) >> 2]!;
    requests.uniqueHigh[request] = words[(at + abi.IN_UNIQUE + 4) >> 2]!;
    requests.node[request] = view.getUint32(at + abi.IN_NODEID, true);
    this.#current = request;
    const out = slotOffset(slot) + SLOT_ANSWER;
    const result = this.dispatcher.dispatch(at, bytes, out);
    if (result === DEFERRED) return;
    if (result === NO_REPLY) this.#release(request);
    else this.#replies.payload(request, out, result, false);
  }

  /** The engine has finished an operation of `request`. */
  completed(request: number, result: number): void {
    const { state, opcode } = this.requests;
    if (state[request] === TASK) this.#tasks.resume(request, result);
    else if (opcode[request] === abi.READ) this.#reads.completed(request, result);
    else this.#writes.completed(request, result);
  }

  /** The reply to `request` has left, or nobody wanted it any more: the caller was interrupted. */
  replied(request: number): void {
    const { state, opcode, length } = this.requests;
    if (opcode[request] === abi.WRITE && state[request] === LINKED) {
      this.#writes.settle(request, length[request]!);
    } else if (opcode[request] === abi.INIT) {
      this.isServing = true;
      this.#initialised(this.dispatcher.initialised);
    }
    this.#release(request);
  }

  beginTurn(nowNs: number): void {
    this.nowNs = nowNs;
  }

  /** Starts what may go now. */
  endTurn(): void {
    if (this.nowNs >= this.#interrupted.lookAtNs) {
      this.#interrupted.look(this.nowNs, (request) => this.#giveUp(request));
    }
    if (this.nowNs >= this.#hostErrors.tellAtNs) this.#hostErrors.tell(this.nowNs);
    for (;;) {
      const request = this.#throttle.next(this.nowNs);
      if (request < 0) break;
      this.#waiting.remove(request);
      this.#start(request);
    }
    const { warnings } = this.#throttle;
    if (warnings.length > 0) for (const text of warnings.splice(0)) this.#warn(text);
  }

  /** When another turn is wanted, at the latest. */
  get wakeAtNs(): number {
    return Math.min(this.#throttle.wakeAt, this.#interrupted.lookAtNs, this.#hostErrors.tellAtNs);
  }

  /**
   * Starts the last flush of all images, once: no other request is under way, and none comes any more.
   * Then the host errors that the log has not been told are told. False if it has been started before:
   * with no request under way it has ended.
   */
  startLastFlush(): boolean {
    if (this.#lastFlush.isStarted) return false;
    this.#hostErrors.tell(Infinity);
    this.#lastFlush.start([...new Set(this.#disks.map(({ image }) => image))], this.#tasks);
    return true;
  }

  /** Images that the last flush could not flush whole. */
  get unflushed(): Unflushed[] {
    return this.#lastFlush.unflushed;
  }

  /** Offset of the slot of a request, which gets one if it has none: one is kept free for it. */
  slotOf(request: number): number {
    const { slot } = this.requests;
    if (slot[request] === NONE) slot[request] = this.#memory.takeSlot();
    return slotOffset(slot[request]!);
  }

  /** Requests wait for one of another group, that has to complete or to come. */
  get isIdling(): boolean {
    return this.#throttle.isIdling;
  }

  /** From now on nothing waits for its group. */
  releaseWaiting(): void {
    this.#throttle.drain();
  }

  runUncharged(disk: number, task: (request: number) => Task): number {
    const request = this.#current;
    this.requests.disk[request] = disk;
    this.#releaseSlot(request);
    this.#tasks.start(request, task(request));
    return DEFERRED;
  }

  /** The caller of a request has had a signal: if that kills it the request need not wait. */
  interrupt(uniqueLow: number, uniqueHigh: number): void {
    const request = this.#waiting.find(uniqueLow, uniqueHigh);
    if (request !== NONE && this.#interrupted.add(request, this.nowNs)) this.#giveUp(request);
  }

  /** A waiting request whose caller is being killed goes with EINTR, uncharged. */
  #giveUp(request: number): void {
    if (!this.#throttle.cancel(request)) return;
    this.#waiting.remove(request);
    this.#replies.result(request, -ERRNO.EINTR, false);
  }

  /** Charges the request in hand, and starts it unless its group or the window holds it back. */
  admit(disk: number, offset: number, length: number, mode: number): number {
    const { requests } = this;
    const { words } = this.#memory;
    const request = this.#current;
    const at = slotOffset(requests.slot[request]!) + SLOT_REQUEST;
    requests.uid[request] = words[(at + abi.IN_UID) >> 2]!;
    requests.gid[request] = words[(at + abi.IN_GID) >> 2]!;
    requests.thread[request] = words[(at + abi.IN_PID) >> 2]!;
    requests.disk[request] = disk;
    requests.offset[request] = offset;
    requests.length[request] = length;
    requests.mode[request] = mode;
    if (this.#charging.submit(request, this.nowNs)) {
      this.#start(request);
    } else {
      requests.state[request] = WAITING;
      this.#park(request);
      this.#waiting.add(request);
    }
    return DEFERRED;
  }

  #rulesChanged(): void {
    this.#charging.resubmit(this.nowNs, (request) => {
      this.#waiting.remove(request);
      this.#start(request);
    });
  }

  /**
   * Frees the slot of a request that has to wait. A WRITE's payload moves to a place of its size; when
   * the pool is full it stays, and the slots that are left bound what is received.
   */
  #park(request: number): void {
    const { requests } = this;
    if (requests.opcode[request] === abi.WRITE) {
      const length = requests.length[request]!;
      const place = this.#pool.take(length);
      if (place < 0) return;
      const from = slotOffset(requests.slot[request]!) + SLOT_DATA;
      this.#memory.bytes.copyWithin(place, from, from + length);
      requests.pooled[request] = place;
    }
    this.#releaseSlot(request);
  }

  #start(request: number): void {
    const { requests } = this;
    requests.inFlight[request] = 1;
    this.#inFlight++;
    const opcode = requests.opcode[request];
    if (opcode === abi.READ) {
      this.slotOf(request);
      this.#reads.start(request);
    } else if (opcode === abi.WRITE) this.#writes.start(request);
    else this.#tasks.start(request, this.#operations.allocate(request));
  }

  /** A lock that the request has waited for is its own. */
  #granted(request: number): void {
    if (this.requests.state[request] === TASK) this.#tasks.resume(request, 0);
    else this.#writes.granted(request);
  }

  #taskEnded(request: number, result: number): void {
    if (this.#lastFlush.ended(request, result)) {
      this.#release(request);
      return;
    }
    const opcode = this.requests.opcode[request];
    if (opcode === abi.READ && result > 0) {
      this.#reads.reply(request, result);
      return;
    }
    if (opcode === abi.WRITE) this.#writes.ended(request, result);
    else this.#replies.result(request, result, false);
  }

  #release(request: number): void {
    const { requests } = this;
    this.#releaseSlot(request);
    if (requests.pooled[request] !== NONE) this.#pool.release(requests.pooled[request]!);
    if (requests.inFlight[request] === 1) {
      this.#inFlight--;
      this.#throttle.complete(request, this.nowNs);
    }
    requests.release(request);
  }

  #releaseSlot(request: number): void {
    const slot = this.requests.slot[request]!;
    if (slot === NONE) return;
    this.#memory.releaseSlot(slot);
    this.requests.slot[request] = NONE;
  }
}
