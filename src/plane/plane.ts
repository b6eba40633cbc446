import { type Memory, SLOT_DATA, slotOffset } from '../buffers/memory.js';
import { PayloadPool } from '../buffers/payload-pool.js';
import type { Engine, Task } from '../host/engine.js';
import { newExtent } from '../image/extent.js';
import type { Callers } from '../throttle/callers.js';
import type { Throttle } from '../throttle/throttle.js';
import { assert } from '../util/assert.js';
import { ERRNO } from '../util/errno.js';
import { Charges } from './charges.js';
import { type Disk, diskStatus, type ShownPartitions } from './disk.js';
import { type Admission, DiskRequests } from './disk-requests.js';
import { Delays, type ImageFaults } from './fault-filter.js';
import { HostErrors } from './host-errors.js';
import { Interrupted } from './interrupted.js';
import { LastFlush } from './last-flush.js';
import type { Members } from './members.js';
import { FLUSH, READ, WRITE } from './operation.js';
import { OwnTasks } from './own-tasks.js';
import { Reads } from './reads.js';
import { Replies } from './replies.js';
import { LINKED, NONE, Requests, TASK, WAITING } from './requests.js';
import type { TableNews } from './table-news.js';
import { Tasks } from './tasks.js';
import { DEFERRED, type DiskService, type DiskStatus, type Transport } from './transport.js';
import { WaitingIndex } from './waiting-index.js';
import { Writes } from './writes.js';

/** Parts of the plane. */
export interface PlaneOptions {
  memory: Memory;
  /** By number; see DiskTable. */
  disks: readonly (Disk | undefined)[];
  throttle: Throttle;
  members: Members;
  /** Counts who makes requests. */
  callers: Callers;
  engine: Engine;
  tableNews: TableNews;
  /** Whether a thread is being ended; may read /proc. */
  isBeingKilled: (thread: number) => boolean;
  /** Called with each warning of the throttle. */
  warn: (text: string) => void;
}

/**
 * The data plane: takes each request from its transport through the throttle to the engine and its
 * result back. Knows neither ring nor descriptors. A loop calls `beginTurn`; then transport and engine
 * call `begin`, `completed` and `replied`; then the loop calls `endTurn`.
 */
export class Plane implements Admission, DiskService {
  /** Time of this turn, nanoseconds of the loop's clock. */
  nowNs = 0;
  /** False: no request is taken any more. Its answer could come after the last flush. */
  isReceiving = true;
  /** Requests that wait stay where they are, and nothing is told: another process may go on. */
  isHolding = false;
  readonly requests: Requests;
  /** Called at the end of each turn. */
  afterTurn: () => void = () => {};
  readonly own: OwnTasks;
  readonly lastFlush: LastFlush;
  readonly hostErrors: HostErrors;

  readonly #memory: Memory;
  readonly #throttle: Throttle;
  readonly #charges: Charges;
  readonly #disks: readonly (Disk | undefined)[];
  readonly #warn: (text: string) => void;
  readonly #pool: PayloadPool;
  readonly #waiting: WaitingIndex;
  readonly #interrupted: Interrupted;
  readonly #tableNews: TableNews;
  readonly #delays: Delays;
  readonly #replies: Replies;
  readonly #tasks: Tasks;
  readonly #reads: Reads;
  readonly #writes: Writes;
  readonly asked: DiskRequests;
  /** Requests between admission and the departure of their reply. */
  inFlight = 0;
  /** See `hurry`. */
  readonly #hurried: number[] = [];
  /** Of those, requests that hold a slot. */
  #holding = 0;

  constructor(options: PlaneOptions) {
    const { memory, disks, engine } = options;
    this.#memory = memory;
    this.requests = new Requests(memory.capacity.requests);
    this.#pool = new PayloadPool(memory.capacity.poolBytes);
    this.#waiting = new WaitingIndex(this.requests);
    this.#delays = new Delays(this.requests);
    this.#disks = disks;
    this.#throttle = options.throttle;
    this.#charges = new Charges({ ...options, requests: this.requests });
    options.members.rulesChanged = () => this.#rulesChanged();
    this.#interrupted = new Interrupted(this.requests, options.isBeingKilled);
    this.#warn = options.warn;
    this.#tasks = new Tasks(this.requests, (request, result) => this.#taskEnded(request, result));
    this.own = new OwnTasks(this.requests, this.#tasks);
    this.lastFlush = new LastFlush(this.own);
    const { requests } = this;
    const granted = (request: number): void => this.#granted(request);
    this.asked = new DiskRequests({ requests, disks, memory, granted }, this);
    const errors = new HostErrors(options.warn);
    this.hostErrors = errors;
    this.#tableNews = options.tableNews;
    const failed = (disk: number, operation: string, offset: number, result: number): void =>
      errors.add(disks[disk]?.config.name ?? 'all images', operation, offset, result, this.nowNs);
    this.#replies = new Replies(requests, failed);
    const extent = newExtent();
    const [tasks, replies] = [this.#tasks, this.#replies];
    const parts = { requests, memory, disks, engine, granted, extent, tasks, replies };
    this.#reads = new Reads(parts);
    this.#writes = new Writes(parts);
  }

  /**
   * Every request in flight can still get a slot of its own: a zeroing has none to begin with, nor has a
   * WRITE from the pool.
   */
  get receivable(): number {
    if (!this.isReceiving) return 0;
    return Math.min(this.#memory.receivable(this.#holding), this.requests.available);
  }

  /** Payloads in the pool, for trimming. */
  get pooled(): number {
    return this.#pool.inUse;
  }

  /** Replies go to `transport` from now on. */
  connect(transport: Transport): void {
    this.#replies.transport = transport;
  }

  status(disk: number): DiskStatus {
    return diskStatus(this.#disks[disk]!);
  }

  begin(request: number): number {
    return this.asked.begin(request);
  }

  /** The engine has finished an operation of `request`. */
  completed(request: number, result: number): void {
    const { state, operation } = this.requests;
    if (state[request] === TASK) this.#tasks.resume(request, result);
    else if (operation[request] === READ) this.#reads.completed(request, result);
    else this.#writes.completed(request, result);
  }

  /** The reply to `request` has left, or nobody wanted it any more: the caller was interrupted. */
  replied(request: number): void {
    const { state, operation, length } = this.requests;
    if (operation[request] === WRITE && state[request] === LINKED) {
      this.#writes.settle(request, length[request]!);
    }
    this.#release(request);
  }

  beginTurn(nowNs: number): void {
    this.nowNs = nowNs;
  }

  /** Starts the requests that may go now. */
  endTurn(): void {
    if (this.nowNs >= this.#delays.dueAtNs) this.#delays.letGo(this.nowNs, this.#due);
    if (this.isHolding) return;
    if (this.nowNs >= this.#interrupted.lookAtNs) {
      this.#interrupted.look(this.nowNs, (request) => this.#giveUp(request));
    }
    if (this.nowNs >= this.hostErrors.tellAtNs) this.hostErrors.tell(this.nowNs);
    if (this.nowNs >= this.#tableNews.tellAtNs) this.#tableNews.tell(this.nowNs);
    for (;;) {
      const request = this.#throttle.next(this.nowNs);
      if (request < 0) break;
      this.#waiting.remove(request);
      this.#start(request);
    }
    this.#startHurried();
    this.afterTurn();
    const { warnings } = this.#throttle;
    if (warnings.length > 0) for (const text of warnings.splice(0)) this.#warn(text);
  }

  /** When another turn is wanted, at the latest. */
  get wakeAtNs(): number {
    if (this.isHolding) return this.#delays.dueAtNs;
    const news = Math.min(this.hostErrors.tellAtNs, this.#tableNews.tellAtNs);
    const due = Math.min(this.#interrupted.lookAtNs, this.#delays.dueAtNs);
    return Math.min(this.#throttle.wakeAt, due, news);
  }

  /**
   * Starts the last flush of all images, once: no other request is under way, and none comes any more.
   * It has ended when no request is under way again. What has not been told yet is told now.
   */
  startLastFlush(): void {
    assert(!this.lastFlush.isStarted, 'a second last flush');
    this.hostErrors.tell(Infinity);
    this.#tableNews.tell(Infinity);
    const disks = this.#disks.filter((disk) => disk !== undefined);
    this.lastFlush.start([...new Set(disks.map(({ image }) => image))]);
  }

  /**
   * Requests for some disks that wait for their groups go without limits, and uncharged: each as soon as a
   * slot can be spared. Those that are late on purpose go at once.
   */
  hurry(isOf: (disk: number) => boolean): void {
    this.#delays.release(isOf, this.#due);
    for (const request of this.requests.inState(WAITING)) {
      if (!isOf(this.requests.disk[request]!) || !this.#throttle.cancel(request)) continue;
      this.#waiting.remove(request);
      this.#hurried.push(request);
    }
  }

  /** They hold slots beside those that are kept for requests in flight. */
  #startHurried(): void {
    while (this.#hurried.length > 0 && this.#memory.spareSlots(this.#holding) > 0) {
      const request = this.#hurried.shift()!;
      this.slotOf(request);
      const { faults } = this.#disks[this.requests.disk[request]!]!.image;
      this.#due(request, faults?.draw(this.requests.operation[request]!) ?? 0);
    }
  }

  /** Offset of the slot of a request, which gets one if it has none: one is kept free for it. */
  slotOf(request: number): number {
    const { slot, inFlight } = this.requests;
    if (slot[request] === NONE) {
      slot[request] = this.#memory.takeSlot();
      assert(slot[request] !== NONE, 'a request in flight finds no slot');
      this.#holding += inFlight[request]!;
    }
    return slotOffset(slot[request]!);
  }

  /** Requests wait for one of another group, that has to complete or to come. */
  get isIdling(): boolean {
    return this.#throttle.isIdling;
  }

  /** From now on no request waits for its group, and none is late on purpose. */
  releaseWaiting(): void {
    this.#delays.end(this.#due);
    this.#throttle.drain();
  }

  runUncharged(request: number, task: Task): number {
    this.#releaseSlot(request);
    this.#tasks.start(request, task);
    return DEFERRED;
  }

  runWithSlot(request: number, task: Task): number {
    this.slotOf(request);
    this.#tasks.start(request, task);
    return DEFERRED;
  }

  /**
   * Reads the partition tables of images again, in the name of a request that nobody charges.
   * @param result Its result.
   */
  reread(request: number, images: readonly ShownPartitions[], result: number): number {
    return this.runWithSlot(request, rereadAll(request, images, result));
  }

  /** The caller of a request has had a signal. A caller that is being killed need not wait. */
  interrupt(uniqueLow: number, uniqueHigh: number): void {
    const request = this.#waiting.find(uniqueLow, uniqueHigh);
    if (request !== NONE && this.#interrupted.add(request, this.nowNs)) this.#giveUp(request);
  }

  /** A waiting request whose caller is being killed goes with EINTR, uncharged. */
  #giveUp(request: number): void {
    if (!this.#throttle.cancel(request)) return;
    this.#waiting.remove(request);
    this.#replies.send(request, -ERRNO.EINTR, 0, false);
  }

  /** Charges a request, and starts it unless its group or the window holds it back. */
  admit(request: number): number {
    if (this.#charges.submit(request, this.nowNs)) this.#start(request);
    else {
      this.requests.state[request] = WAITING;
      this.#park(request);
      this.#waiting.add(request);
    }
    return DEFERRED;
  }

  /** Rules came or went: a waiting request whose member has changed moves to the end of its new queue. */
  #rulesChanged(): void {
    for (const request of this.requests.inState(WAITING)) {
      if (this.#charges.memberOf(request, this.nowNs) === this.requests.member[request]) continue;
      if (!this.#throttle.cancel(request) || !this.#charges.submit(request, this.nowNs)) continue;
      this.#waiting.remove(request);
      this.#start(request);
    }
  }

  /**
   * Frees the slot of a request that has to wait. A WRITE's payload moves to a place of its size; when
   * the pool is full it stays, and the slots that are left bound what is received.
   */
  #park(request: number): void {
    const { requests } = this;
    if (requests.operation[request] === WRITE) {
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
    this.inFlight++;
    if (requests.slot[request] !== NONE && requests.lent[request] === 0) this.#holding++;
    const { faults } = this.#disks[requests.disk[request]!]!.image;
    if (faults === null || !this.strikes(request, faults)) this.#carryOut(request);
  }

  strikes(request: number, faults: ImageFaults): boolean {
    const operation = this.requests.operation[request]!;
    const errno = faults.draw(operation);
    const delayNs = faults.delayOf(operation);
    if (delayNs > 0 && this.#delays.hold(request, this.nowNs + delayNs, errno)) return true;
    if (errno < 0) this.#replies.fail(request, errno);
    return errno < 0;
  }

  /** The time of a request that was late has come. */
  readonly #due = (request: number, errno: number): void => {
    if (errno < 0) this.#replies.fail(request, errno);
    else if (this.requests.operation[request] === FLUSH) this.asked.flush(request);
    else this.#carryOut(request);
  };

  #carryOut(request: number): void {
    const operation = this.requests.operation[request];
    if (operation === READ) {
      this.slotOf(request);
      this.#reads.start(request);
    } else if (operation === WRITE) this.#writes.start(request);
    else this.#tasks.start(request, this.asked.allocate(request));
  }

  /** The request has got the lock that it waited for. */
  #granted(request: number): void {
    if (this.requests.state[request] === TASK) this.#tasks.resume(request, 0);
    else this.#writes.granted(request);
  }

  #taskEnded(request: number, result: number): void {
    if (this.own.ended(request, result)) {
      this.#release(request);
      return;
    }
    const operation = this.requests.operation[request];
    if (operation === READ && result > 0) {
      this.#reads.reply(request, result);
      return;
    }
    if (operation === WRITE) this.#writes.ended(request, result);
    else this.#replies.send(request, result, 0, false);
  }

  #release(request: number): void {
    const { requests } = this;
    this.#releaseSlot(request);
    if (requests.pooled[request] !== NONE) this.#pool.release(requests.pooled[request]!);
    if (requests.inFlight[request] === 1) {
      this.inFlight--;
      this.#charges.complete(request, this.nowNs);
    }
    requests.release(request);
  }

  #releaseSlot(request: number): void {
    const slot = this.requests.slot[request]!;
    if (slot === NONE || this.requests.lent[request] === 1) return;
    this.#memory.releaseSlot(slot);
    this.requests.slot[request] = NONE;
    this.#holding -= this.requests.inFlight[request]!;
  }
}

function* rereadAll(request: number, images: readonly ShownPartitions[], result: number): Task {
  for (const image of images) yield* image.reread(request);
  return result;
}
