import { costModel } from '../../src/throttle/cost.js';
import { READ, Throttle, WRITE } from '../../src/throttle/throttle.js';
import type { Device } from './devices.js';
import { EventQueue } from './event-queue.js';
import { randomNumbers } from './random.js';

/** In ns. */
const SECOND = 1e9;
const NOISE_EVERY = 20e6;
const STALL = 10e6;
/** The part of the disturbance that is kept from one change to the next. */
const NOISE_KEPT = 0.9;
/** A simulated request costs the device what it costs in the throttle. */
const COST = costModel('linear');

/** The threads of one group; each keeps one request outstanding. */
export interface Load {
  /** Path of the group; groups above it are made as well. */
  readonly group: string;
  readonly weight: number;
  readonly threads: number;
  readonly bytes?: number;
  readonly writes?: boolean;
  /** Number of its device; 0 if not given. */
  readonly device?: number;
  /** Mean time in ns that a thread thinks between two requests; exponential. */
  readonly think?: number;
  /** Times in seconds at which its threads start and stop. */
  readonly from?: number;
  readonly until?: number;
  /** In ns. */
  readonly latencyTarget?: number;
  /** Minimum of the group in requests per second. */
  readonly minimum?: number;
}

export interface Result {
  /** Requests completed per second, by load. */
  readonly rates: number[];
  readonly total: number;
  /** Cost of the completed requests by stretch and load, in units of 4 KiB; the window after each. */
  readonly series: number[][];
  readonly depths: number[];
  /** Mean time in ns from the sending of a request to its end, by load. */
  readonly latencies: number[];
}

export interface Settings {
  readonly device: Device;
  /** More devices: 1, 2... The processors and the noise are those of `device`. */
  readonly others?: readonly Device[];
  readonly loads: readonly Load[];
  readonly depth: 'auto' | number;
  readonly seconds: number;
  /** Time in seconds at the beginning that is left out of the figures. */
  readonly warmUp: number;
  readonly seed: number;
  /** Length in seconds of a stretch of the series; a tenth of the run without warm-up if it is not given. */
  readonly every?: number;
  /** Weights of groups without a load, such as 'a' above 'a/x'. */
  readonly weights?: Readonly<Record<string, number>>;
  /** What is done at times in seconds, in their order. */
  readonly changes?: readonly { at: number; action: (simulation: Simulation) => void }[];
}

/** What a device does. */
interface Busy {
  readonly device: Device;
  /** Its requests, and the sum of their speeds: 1 / cost. */
  readonly inside: number[];
  speeds: number;
  /** When the next one completes. */
  completesAt: number;
}

/**
 * Runs the throttle with a simulated device in simulated time, without a clock or I/O. A thread waits for
 * the client's processor, sends a request, and waits for the answer. The device completes a random one of
 * its requests after an exponential time, whose rate depends on the number of its requests.
 */
export class Simulation {
  readonly throttle: Throttle;
  now = 0;
  readonly #settings: Settings;
  readonly #random: () => number;
  /** The times at which threads finish with the client's processor. */
  readonly #returns = new EventQueue();
  #clientFreeAt = 0;
  #noiseAt = 0;
  #factor = 1;
  readonly #busy: Busy[];
  readonly #members: number[] = [];
  /** Load of each thread, and the time at which it has sent its request. */
  readonly #loadOf: number[] = [];
  readonly #sentAt: number[] = [];
  readonly #paused = new Set<number>();
  /** By load. */
  readonly #cost: number[];
  readonly #completed: number[];
  readonly #served: number[];
  readonly #waited: number[];

  constructor(settings: Settings) {
    const { loads, seed, depth, weights } = settings;
    this.#settings = settings;
    this.#random = randomNumbers(seed);
    const threads = loads.reduce((sum, load) => sum + load.threads, 0);
    this.#busy = [settings.device, ...(settings.others ?? [])].map((device) => {
      return { device, inside: [], speeds: 0, completesAt: Infinity };
    });
    this.throttle = new Throttle(threads, undefined, undefined, this.#busy.length);
    this.throttle.setDepth(depth, 0);
    this.#cost = loads.map(({ bytes = 4096 }) => COST.base + COST.perByte * bytes);
    this.#completed = loads.map(() => 0);
    this.#served = loads.map(() => 0);
    this.#waited = loads.map(() => 0);
    for (const [path, weight] of Object.entries(weights ?? {})) {
      this.throttle.setWeight(this.throttle.createGroup(path), weight);
    }
    for (const [index, load] of loads.entries()) this.#addLoad(index, load);
  }

  /** Changes the number of threads of a load; each thread stops or starts at its next request. */
  setThreads(load: number, threads: number): void {
    let left = threads;
    for (let thread = 0; thread < this.#loadOf.length; thread++) {
      if (this.#loadOf[thread] !== load) continue;
      const wasPaused = this.#paused.has(thread);
      if (left-- > 0) {
        this.#paused.delete(thread);
        if (wasPaused) this.#returns.push(this.now, thread);
      } else this.#paused.add(thread);
    }
  }

  run(): Result {
    const { seconds, warmUp, every = (seconds - warmUp) / 10, loads } = this.#settings;
    const events = [...(this.#settings.changes ?? [])];
    for (const [index, { until }] of loads.entries()) {
      if (until !== undefined) events.push({ at: until, action: () => this.setThreads(index, 0) });
    }
    events.sort((a, b) => a.at - b.at);
    const advance = (to: number): void => {
      while (events.length > 0 && events[0].at <= to) {
        const { at, action } = events.shift()!;
        this.runUntil(at * SECOND);
        action(this);
      }
      this.runUntil(to * SECOND);
    };
    advance(warmUp);
    const before = [...this.#completed];
    const waitedBefore = [...this.#waited];
    const series: number[][] = [];
    const depths: number[] = [];
    const stretches = Math.round((seconds - warmUp) / every);
    for (let stretch = 1; stretch <= stretches; stretch++) {
      const served = [...this.#served];
      advance(warmUp + stretch * every);
      series.push(this.#served.map((cost, load) => cost - served[load]));
      depths.push(this.throttle.depth);
    }
    const counts = this.#completed.map((count, load) => count - before[load]);
    const rates = counts.map((count) => count / (seconds - warmUp));
    const latencies = counts.map(
      (count, load) => (this.#waited[load] - waitedBefore[load]) / count,
    );
    return { rates, total: rates.reduce((sum, rate) => sum + rate, 0), series, depths, latencies };
  }

  runUntil(end: number): void {
    for (;;) {
      const busy = this.#busy.reduce((a, b) => (b.completesAt < a.completesAt ? b : a));
      const time = Math.min(this.#returns.nextTime, busy.completesAt, this.throttle.wakeAt);
      if (time > end) break;
      this.now = Math.max(this.now, time);
      if (this.now >= this.#noiseAt) this.#makeNoise();
      if (busy.completesAt <= time) this.#complete(busy);
      else if (this.#returns.nextTime <= time) this.#send(this.#returns.pop());
      for (let r = this.throttle.next(this.now); r !== -1; r = this.throttle.next(this.now)) {
        this.#start(r);
      }
    }
    this.now = end;
  }

  #addLoad(index: number, load: Load): void {
    const { throttle } = this;
    const group = throttle.findGroup(load.group) ?? throttle.createGroup(load.group);
    throttle.setWeight(group, load.weight);
    if (load.latencyTarget !== undefined) {
      throttle.setLatencyTarget(group, load.latencyTarget, 0);
    }
    if (load.minimum !== undefined) throttle.setMinimum(group, { iops: load.minimum }, 0);
    const member = throttle.createMember(load.group);
    throttle.moveMember(member, group, 0);
    for (let i = 0; i < load.threads; i++) {
      this.#members.push(member);
      this.#loadOf.push(index);
      this.#sentAt.push(0);
      const start = (load.from ?? 0) * SECOND + this.#random() * 1e6;
      this.#returns.push(start, this.#loadOf.length - 1);
    }
  }

  #send(thread: number): void {
    if (this.#paused.has(thread)) return;
    const { bytes = 4096, writes = false, device = 0 } = this.#settings.loads[this.#loadOf[thread]];
    const direction = writes ? WRITE : READ;
    this.#sentAt[thread] = this.now;
    const member = this.#members[thread];
    if (this.throttle.submit(thread, member, direction, bytes, this.now, device)) {
      this.#start(thread);
    }
  }

  #start(thread: number): void {
    const busy = this.#busy[this.#settings.loads[this.#loadOf[thread]].device ?? 0];
    busy.inside.push(thread);
    busy.speeds += this.#speedOf(thread);
    this.#drawCompletion(busy);
  }

  #speedOf(thread: number): number {
    return 1 / this.#cost[this.#loadOf[thread]];
  }

  #complete(busy: Busy): void {
    const thread = this.#takeOne(busy);
    const load = this.#loadOf[thread];
    busy.speeds -= this.#speedOf(thread);
    this.throttle.complete(thread, this.now);
    this.#completed[load]++;
    this.#served[load] += this.#cost[load];
    this.#waited[load] += this.now - this.#sentAt[thread];
    this.#drawCompletion(busy);
    const { device, loads } = this.#settings;
    this.#clientFreeAt = Math.max(this.now, this.#clientFreeAt) + SECOND / device.clientRate;
    const { think = 0 } = loads[load];
    this.#returns.push(this.#clientFreeAt - Math.log(1 - this.#random()) * think, thread);
  }

  /** Takes one of the device's requests at random: the likelier, the less it costs. */
  #takeOne({ inside }: Busy): number {
    for (;;) {
      const at = Math.floor(this.#random() * inside.length);
      const thread = inside[at];
      const speed = this.#speedOf(thread);
      if (speed < 1 && this.#random() > speed) continue;
      const last = inside.pop()!;
      if (at < inside.length) inside[at] = last;
      return thread;
    }
  }

  /** Changes the device's rate by a decaying random walk of its logarithm, and stalls the applications. */
  #makeNoise(): void {
    this.#noiseAt = this.now + NOISE_EVERY;
    const { noise } = this.#settings.device;
    if (noise === undefined) return;
    // The sum of six has a standard deviation of 0.707; scaled, it keeps that of the walk at `deviation`.
    let sum = -3;
    for (let i = 0; i < 6; i++) sum += this.#random();
    const step = (sum / Math.SQRT1_2) * Math.sqrt(1 - NOISE_KEPT ** 2) * noise.deviation;
    this.#factor = Math.exp(NOISE_KEPT * Math.log(this.#factor) + step);
    if (this.#random() < noise.stalls)
      this.#clientFreeAt = Math.max(this.#clientFreeAt, this.now) + STALL;
  }

  /** Draws a new time whenever the number of requests changes: exponential times have no memory. */
  #drawCompletion(busy: Busy): void {
    const count = busy.inside.length;
    const rate = (this.#factor * busy.device.rate(count) * busy.speeds) / count;
    const wait = (-Math.log(1 - this.#random()) * SECOND) / rate;
    busy.completesAt = count === 0 ? Infinity : this.now + wait;
  }
}

/** Share of the first load in percent. */
export const firstShare = (result: Result): number => (100 * result.rates[0]) / result.total;
