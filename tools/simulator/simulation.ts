import { READ, Throttle } from '../../src/throttle/throttle.js';
import type { Device } from './devices.js';
import { EventQueue } from './event-queue.js';
import { randomNumbers } from './random.js';

/** In ns. */
const NOISE_EVERY = 20e6;
const STALL = 10e6;
/** The part of the disturbance that is kept from one change to the next. */
const NOISE_KEPT = 0.9;

/** The threads of one group; each keeps one request outstanding. */
export interface Load {
  /** Path of the group; groups above it are made as well. */
  readonly group: string;
  readonly weight: number;
  readonly threads: number;
  readonly bytes?: number;
  /** In ns. */
  readonly latencyTarget?: number;
  /** Minimum of the group in requests per second. */
  readonly minimum?: number;
}

export interface Result {
  /** Requests completed per second, by load. */
  readonly rates: number[];
  readonly total: number;
  /** Window at the end of each tenth of the run. */
  readonly depths: number[];
}

export interface Settings {
  readonly device: Device;
  readonly loads: readonly Load[];
  readonly depth: 'auto' | number;
  readonly seconds: number;
  /** Time at the beginning that is left out of the figures. */
  readonly warmUp: number;
  readonly seed: number;
  /** Weights of groups without a load, such as 'a' above 'a/x'. */
  readonly weights?: Readonly<Record<string, number>>;
  /** Called once, at a time in seconds. */
  readonly change?: { at: number; action: (simulation: Simulation) => void };
}

/**
 * Runs the throttle with a simulated device in simulated time, without a clock or I/O. A thread waits for
 * the client's processor, sends a request, and waits for the answer. The device completes a random one of
 * its requests after an exponential time, whose rate depends on the number of its requests.
 */
export class Simulation {
  readonly throttle: Throttle;
  now = 0;
  private readonly settings: Settings;
  private readonly random: () => number;
  /** The times at which threads finish with the client's processor. */
  private readonly returns = new EventQueue();
  private clientFreeAt = 0;
  private noiseAt = 0;
  private factor = 1;
  private readonly inside: number[] = [];
  private completesAt = Infinity;
  private readonly members: number[] = [];
  private readonly loadOf: number[] = [];
  private readonly completed: number[];

  constructor(settings: Settings) {
    this.settings = settings;
    this.random = randomNumbers(settings.seed);
    const threads = settings.loads.reduce((sum, load) => sum + load.threads, 0);
    this.throttle = new Throttle(threads);
    this.throttle.setDepth(settings.depth, 0);
    this.completed = settings.loads.map(() => 0);
    for (const [path, weight] of Object.entries(settings.weights ?? {})) {
      this.throttle.setWeight(this.throttle.createGroup(path), weight);
    }
    for (const [index, load] of settings.loads.entries()) this.addLoad(index, load);
  }

  /** Changes the number of threads of a load; each thread stops or starts at its next request. */
  setThreads(load: number, threads: number): void {
    let left = threads;
    for (let thread = 0; thread < this.loadOf.length; thread++) {
      if (this.loadOf[thread] !== load) continue;
      const wasPaused = this.paused.has(thread);
      if (left-- > 0) {
        this.paused.delete(thread);
        if (wasPaused) this.returns.push(this.now, thread);
      } else this.paused.add(thread);
    }
  }

  private readonly paused = new Set<number>();

  run(): Result {
    const { seconds, warmUp, change } = this.settings;
    const depths: number[] = [];
    const atStart = this.completed.map(() => 0);
    for (let tenth = 1; tenth <= 10; tenth++) {
      const end = (seconds * tenth * 1e9) / 10;
      if (change !== undefined && change.at * 1e9 <= end && change.at * 1e9 > this.now) {
        this.runUntil(change.at * 1e9);
        change.action(this);
      }
      if (warmUp * 1e9 <= end && warmUp * 1e9 > this.now) {
        this.runUntil(warmUp * 1e9);
        for (const [i, count] of this.completed.entries()) atStart[i] = count;
      }
      this.runUntil(end);
      depths.push(this.throttle.depth);
    }
    const rates = this.completed.map((count, i) => (count - atStart[i]) / (seconds - warmUp));
    return { rates, total: rates.reduce((sum, rate) => sum + rate, 0), depths };
  }

  private addLoad(index: number, load: Load): void {
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
      this.members.push(member);
      this.loadOf.push(index);
      this.returns.push(this.random() * 1e6, this.loadOf.length - 1);
    }
  }

  runUntil(end: number): void {
    for (;;) {
      const time = Math.min(this.returns.nextTime, this.completesAt, this.throttle.wakeAt);
      if (time > end) break;
      this.now = Math.max(this.now, time);
      if (this.now >= this.noiseAt) this.makeNoise();
      if (this.completesAt <= time) this.complete();
      else if (this.returns.nextTime <= time) this.send(this.returns.pop());
      for (let r = this.throttle.next(this.now); r !== -1; r = this.throttle.next(this.now)) {
        this.start(r);
      }
    }
    this.now = end;
  }

  private send(thread: number): void {
    if (this.paused.has(thread)) return;
    const bytes = this.settings.loads[this.loadOf[thread]].bytes ?? 4096;
    if (this.throttle.submit(thread, this.members[thread], READ, bytes, this.now)) {
      this.start(thread);
    }
  }

  private start(thread: number): void {
    this.inside.push(thread);
    this.drawCompletion();
  }

  private complete(): void {
    const at = Math.floor(this.random() * this.inside.length);
    const thread = this.inside[at];
    const last = this.inside.pop() as number;
    if (at < this.inside.length) this.inside[at] = last;
    this.throttle.complete(thread, this.now);
    this.completed[this.loadOf[thread]]++;
    this.drawCompletion();
    this.clientFreeAt =
      Math.max(this.now, this.clientFreeAt) + 1e9 / this.settings.device.clientRate;
    this.returns.push(this.clientFreeAt, thread);
  }

  /** Changes the device's rate by a decaying random walk of its logarithm, and stalls the applications. */
  private makeNoise(): void {
    this.noiseAt = this.now + NOISE_EVERY;
    const { noise } = this.settings.device;
    if (noise === undefined) return;
    // The sum of six has a standard deviation of 0.707; scaled, it keeps that of the walk at `deviation`.
    let sum = -3;
    for (let i = 0; i < 6; i++) sum += this.random();
    const step = (sum / Math.SQRT1_2) * Math.sqrt(1 - NOISE_KEPT ** 2) * noise.deviation;
    this.factor = Math.exp(NOISE_KEPT * Math.log(this.factor) + step);
    if (this.random() < noise.stalls)
      this.clientFreeAt = Math.max(this.clientFreeAt, this.now) + STALL;
  }

  /** Draws a new time whenever the number of requests changes: exponential times have no memory. */
  private drawCompletion(): void {
    const rate = this.factor * this.settings.device.rate(this.inside.length);
    const wait = (-Math.log(1 - this.random()) * 1e9) / rate;
    this.completesAt = this.inside.length === 0 ? Infinity : this.now + wait;
  }
}

/** Share of the first load in percent. */
export const firstShare = (result: Result): number => (100 * result.rates[0]) / result.total;
