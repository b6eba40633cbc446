import { costModel } from './cost.js';
import { HeavyHitters } from './heavy-hitters.js';

/** Callers that are followed at a time. Those of 1/512 of the cost of late are among them. */
export const CALLERS = 512;

/** Numbers of threads that stand for no thread: they are above all that Linux gives out. */
export const UNKNOWN_THREAD = 0xffffffff;
/** Writes from the page cache, which the kernel sends in nobody's name. */
export const WRITE_BACK = 0xfffffffe;

/** Every weight is halved this often: the last half minute counts most. */
const HALF_LIFE_NS = 10e9;
const COST = costModel('linear');

/** Words of a caller. */
const VERSION = 0;
const THREAD = 1;
const UID = 2;
const WORDS = 3;

/** Numbers of a caller; requests are IOS + direction, bytes BYTES + direction. */
const IOS = 0;
const BYTES = 3;
const WAIT_NS = 6;
const SERVICE_NS = 7;
const LONGEST_NS = 8;
const SINCE_NS = 9;
const ROW = 10;

/**
 * The memory of callers: the data path writes it, and other threads read it at any time without a lock.
 * The number of a request may be there before its bytes; see FigureRows.
 */
export interface CallerRows {
  /** VERSION is odd while the place is given to another caller, and another number after that; 0: free. */
  words: Uint32Array<SharedArrayBuffer>;
  doubles: Float64Array<SharedArrayBuffer>;
  weights: Float64Array<SharedArrayBuffer>;
  inherited: Float64Array<SharedArrayBuffer>;
}

/** What a thread has had done, of what has completed. */
export interface CallerFigures {
  /** Number of the thread; 0 is one that cannot be seen from here, in another pid namespace. */
  thread: number;
  /** Of its last request. */
  uid: number;
  /** Its part of the cost of all requests of late, 0 to 1. */
  recent: number;
  rios: number;
  wios: number;
  dios: number;
  rbytes: number;
  wbytes: number;
  dbytes: number;
  /** Sum of the times that requests waited in groups, ns. */
  waitNs: number;
  /** Sum of the times from admission to reply, ns. */
  serviceNs: number;
  /** The longest of both together, ns. */
  longestNs: number;
  /** Since when it is followed: all its requests since then are counted. ns of age. */
  followedNs: number;
}

const doubles = (count: number): Float64Array<SharedArrayBuffer> =>
  new Float64Array(new SharedArrayBuffer(count * Float64Array.BYTES_PER_ELEMENT));

/**
 * Counts requests by the thread that made them, as the kernel tells it: to find out its process would take a
 * look into /proc for each. Memory and the work for a request are bounded, however many threads there are:
 * those that make most of the requests are followed; see HeavyHitters.
 */
export class Callers {
  readonly rows: CallerRows;
  readonly #words: Uint32Array;
  readonly #doubles: Float64Array;
  readonly #sketch: HeavyHitters;
  #fadeAtNs = Number.NEGATIVE_INFINITY;

  constructor(places = CALLERS) {
    const words = new Uint32Array(new SharedArrayBuffer(places * WORDS * 4));
    const [weights, inherited] = [doubles(places), doubles(places)];
    this.rows = { words, doubles: doubles(places * ROW), weights, inherited };
    this.#words = words;
    this.#doubles = this.rows.doubles;
    this.#sketch = new HeavyHitters(places, weights, inherited);
  }

  /**
   * A request of `bytes` has completed.
   *
   * @param waitNs Time in groups, and `serviceNs` from admission to reply.
   * @param nowNs Not smaller than in the call before.
   */
  completed(
    thread: number,
    uid: number,
    direction: number,
    bytes: number,
    waitNs: number,
    serviceNs: number,
    nowNs: number,
  ): void {
    if (nowNs >= this.#fadeAtNs) this.#fade(nowNs);
    const place = this.#sketch.add(thread, COST.base + COST.perByte * bytes);
    if (this.#sketch.isNew) this.#follow(place, thread, nowNs);
    const row = place * ROW;
    const numbers = this.#doubles;
    this.#words[place * WORDS + UID] = uid;
    numbers[row + IOS + direction]!++;
    numbers[row + BYTES + direction]! += bytes;
    numbers[row + WAIT_NS]! += waitNs;
    numbers[row + SERVICE_NS]! += serviceNs;
    const time = waitNs + serviceNs;
    if (time > numbers[row + LONGEST_NS]!) numbers[row + LONGEST_NS] = time;
  }

  #fade(nowNs: number): void {
    const since = nowNs - this.#fadeAtNs;
    if (since < Infinity) this.#sketch.fade(1 + Math.floor(since / HALF_LIFE_NS));
    this.#fadeAtNs = nowNs + HALF_LIFE_NS;
  }

  #follow(place: number, thread: number, nowNs: number): void {
    const words = this.#words;
    const version = place * WORDS + VERSION;
    const row = place * ROW;
    Atomics.add(words, version, 1);
    this.#doubles.fill(0, row, row + ROW);
    this.#doubles[row + SINCE_NS] = nowNs;
    words[place * WORDS + THREAD] = thread;
    Atomics.add(words, version, 1);
  }
}

/** A place that is given away at this moment is looked at again; then it is left out. */
const TRIES = 3;

/** All callers that are followed, who does most of late first. `nowNs` is the throttle's time. */
export function callersOf(rows: CallerRows, nowNs: number): CallerFigures[] {
  const places = rows.weights.length;
  const total = rows.weights.reduce((sum, weight) => sum + weight, 0);
  const found: CallerFigures[] = [];
  for (let place = 0; place < places; place++) {
    const caller = readWhole(rows, place, total, nowNs);
    if (caller !== null) found.push(caller);
  }
  return found.sort((one, other) => other.recent - one.recent);
}

function readWhole(
  rows: CallerRows,
  place: number,
  total: number,
  nowNs: number,
): CallerFigures | null {
  const version = place * WORDS + VERSION;
  for (let tries = 0; tries < TRIES; tries++) {
    const before = Atomics.load(rows.words, version);
    if (before === 0) return null;
    const caller = read(rows, place, total, nowNs);
    if (before % 2 === 0 && Atomics.load(rows.words, version) === before) return caller;
  }
  return null;
}

function read(rows: CallerRows, place: number, total: number, nowNs: number): CallerFigures {
  const [thread, uid] = [THREAD, UID].map((word) => rows.words[place * WORDS + word]!);
  const numbers = rows.doubles.subarray(place * ROW, (place + 1) * ROW);
  const [rios, wios, dios, rbytes, wbytes, dbytes] = numbers as unknown as number[];
  const own = Math.max(0, rows.weights[place]! - rows.inherited[place]!);
  return {
    thread: thread!,
    uid: uid!,
    recent: total > 0 ? own / total : 0,
    ...{ rios: rios!, wios: wios!, dios: dios!, rbytes: rbytes!, wbytes: wbytes!, dbytes: dbytes! },
    waitNs: numbers[WAIT_NS]!,
    serviceNs: numbers[SERVICE_NS]!,
    longestNs: numbers[LONGEST_NS]!,
    followedNs: Math.max(0, nowNs - numbers[SINCE_NS]!),
  };
}
