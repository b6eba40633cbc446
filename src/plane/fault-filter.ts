import {
  FAULTY,
  type Faults,
  type FaultsSnapshot,
  type Faulty,
  formatFaults,
} from '../control/faults.js';
import { Heap } from '../throttle/heap.js';
import { ERRNO } from '../util/errno.js';
import { ALLOCATE, FLUSH, READ, WRITE } from './operation.js';
import { DELAYED, NONE, type Requests } from './requests.js';

/** The kind of fault that an operation can have, by operation: its place in FAULTY. */
const KINDS: number[] = [];
KINDS[READ] = FAULTY.indexOf('read');
KINDS[WRITE] = FAULTY.indexOf('write');
KINDS[ALLOCATE] = FAULTY.indexOf('discard');
KINDS[FLUSH] = FAULTY.indexOf('flush');

/** 2^32 over the golden ratio, odd: steps through all 32-bit states before one comes back. */
const STEP = 0x9e3779b9;
const RANGE = 2 ** 32;

/** The faults of one image, and how often they have struck. */
export class ImageFaults {
  readonly #faults: Faults;
  /** By kind: the bound below which a number means an error, the error (negative), and the delay in ns. */
  readonly #bounds: Float64Array;
  readonly #errnos: Int32Array;
  readonly #delays: Float64Array;
  /** The state of the generator of each kind: reads fail alike, whatever is written meanwhile. */
  readonly #states: Uint32Array;
  #failed = 0;
  #delayed = 0;

  /** @param faults with a seed */
  constructor(faults: Faults) {
    this.#faults = faults;
    const of = (value: (kind: Faulty) => number): number[] => FAULTY.map(value);
    this.#bounds = Float64Array.from(of((kind) => faults[kind].error * RANGE));
    this.#errnos = Int32Array.from(of((kind) => -ERRNO[faults[kind].errno as keyof typeof ERRNO]));
    this.#delays = Float64Array.from(of((kind) => faults[kind].delayNs));
    const seed = faults.seed ?? 0;
    this.#states = Uint32Array.from(FAULTY.keys(), (kind) => seed + kind * 0x61c88647);
  }

  /** What becomes of the next request of an operation: 0, or -errno. */
  draw(operation: number): number {
    const kind = KINDS[operation]!;
    const bound = this.#bounds[kind]!;
    if (bound === 0 || this.#next(kind) >= bound) return 0;
    this.#failed++;
    return this.#errnos[kind]!;
  }

  /** Nanoseconds by which a request of an operation is late. */
  delayOf(operation: number): number {
    const delay = this.#delays[KINDS[operation]!]!;
    if (delay > 0) this.#delayed++;
    return delay;
  }

  snapshot(): FaultsSnapshot {
    return { words: formatFaults(this.#faults), failed: this.#failed, delayed: this.#delayed };
  }

  /** A number below 2^32: splitmix32. */
  #next(kind: number): number {
    this.#states[kind]! += STEP;
    let mixed = this.#states[kind]!;
    mixed = Math.imul(mixed ^ (mixed >>> 16), 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    return (mixed ^ (mixed >>> 15)) >>> 0;
  }
}

/** Called for a request whose time has come: with 0 it is carried out, with -errno it fails. */
type Due = (request: number, errno: number) => void;

/** Requests that are late on purpose. */
export class Delays {
  readonly #requests: Requests;
  /** By request. Untouched entries cost no memory; made for the first request that is late. */
  #late: { heap: Heap; errnos: Int32Array } | null = null;
  /** The mount ends: nothing is late any more. */
  #isOver = false;

  constructor(requests: Requests) {
    this.#requests = requests;
  }

  /** When the first of them is due, ns; Infinity: there is none. */
  get dueAtNs(): number {
    return this.#late === null || this.#late.heap.isEmpty ? Infinity : this.#late.heap.topKey;
  }

  /** Holds a request up until `dueNs`. False: no request is held up any more. @param errno What becomes of it then. */
  hold(request: number, dueNs: number, errno: number): boolean {
    if (this.#isOver) return false;
    const { state, capacity } = this.#requests;
    this.#late ??= {
      heap: new Heap({ place: new Int32Array(capacity).fill(NONE) }),
      errnos: new Int32Array(capacity),
    };
    state[request] = DELAYED;
    this.#late.errnos[request] = errno;
    this.#late.heap.set(request, dueNs);
    return true;
  }

  /** Lets those go that are due. */
  letGo(nowNs: number, due: Due): void {
    while (this.dueAtNs <= nowNs) this.#take(this.#late!.heap.top(), due);
  }

  /** Lets requests for some disks go, whatever their time. */
  release(isOf: (disk: number) => boolean, due: Due): void {
    for (const request of this.#requests.inState(DELAYED)) {
      if (isOf(this.#requests.disk[request]!)) this.#take(request, due);
    }
  }

  /** The mount ends: all go, and none is held up from now on. */
  end(due: Due): void {
    this.#isOver = true;
    this.release(() => true, due);
  }

  #take(request: number, due: Due): void {
    const { heap, errnos } = this.#late!;
    heap.remove(request);
    due(request, errnos[request]!);
  }
}
