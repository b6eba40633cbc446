/** Throughput may fall this far below the best for the sake of a smaller window. */
const LOSS = 0.03;
/** The same while groups that should wait often do not, so that weights have nothing to choose from. */
const LOSS_FOR_CHOICE = 0.1;
/** Share of starts without a choice from which that counts. */
const LITTLE_CHOICE = 0.01;
/** A measurement: 30 ms and 200 completions, or 1 s; at 90 K a second the error is about 2 %. */
const INTERVAL = 30e6;
const LEAST_COMPLETIONS = 200;
const LONGEST_INTERVAL = 1e9;
/** Part of the error of n completions, 1 / sqrt(n), that is forgiven: half, 1 % at 90 K a second. */
const FORGIVEN = 0.5;
/** Before a measurement the applications must have noticed the new window: 15 ms at least. */
const SETTLE = 15e6;
/**
 * How often a neighbouring window is tried, in ns: at first, and less and less often while nothing
 * changes. A larger one is 50 ms without weights, so once in 4 s costs shares 0.4 points at most.
 */
const PROBE_FIRST = 0.5e9;
const PROBE_LAST = 2e9;
/** A throughput that changes by more than this is another load: search anew. */
const OTHER_LOAD = 0.25;
/** After a search that found no window that binds, and after one that gave no choice. */
const REST = 2e9;
const LONG_REST = 10e9;

/** A larger window shows this much more than it keeps up: what waited goes through at once. */
const OVERSHOOT = 0.03;

/** Windows that are tried: each at most a quarter larger than the one before, from 4 on. */
const LADDER = [1, 2, 3];
for (let base = 4; base < 4096; base *= 2) {
  for (let quarter = 4; quarter < 8; quarter++) LADDER.push((base * quarter) / 4);
}

const ALONE = 0;
const REFERENCE = 1;
const SEARCH = 2;
const HOLD = 3;
const PROBE_UP = 4;
const PROBE_DOWN = 5;

/**
 * Finds the window of `io.depth auto`: the smallest that keeps throughput, in cost units completed
 * per second, within 3 % of what it is without a window. Pure, and told of completions only.
 *
 * While one group alone has requests there is no window. When a second one comes, throughput without
 * one is measured once, and the window is found by bisection between 1 and what was in flight: some
 * seven measurements of 45 ms. From then on its neighbours are tried now and then, for one interval
 * each; a throughput that changes by a quarter starts the search anew.
 *
 * If at that window groups often have nothing waiting when a place becomes free, weights cannot bite.
 * Then windows are tried that cost up to 10 %, and kept if that gives the choice back.
 */
export class DepthControl {
  depth: number;
  private readonly max: number;
  private readonly ladder: number[];
  private state = ALONE;
  private level = 0;
  private low = 0;
  private high = 0;
  private loss = LOSS;
  private best = 0;
  private held = 0;
  private nextProbe = 0;
  private probeEvery = PROBE_FIRST;
  private upNext = true;
  private upFailures = 0;
  private notBefore = 0;
  private choiceNotBefore = 0;
  private levelBefore = -1;
  private lackBefore = 0;
  private meanLack = 0;
  /** Measurements in a row in which the window did not bind. */
  private slack = 0;
  /** The measurement under way. */
  private settling = 0;
  private setAt = -1;
  private since = 0;
  private units = 0;
  private completions = 0;
  private full = 0;
  private lacking = 0;
  private limited = 0;
  private inflight = 0;
  private firstLeaf = -1;
  private others = 0;
  private oddOnes = 0;

  constructor(max: number) {
    this.max = max;
    this.ladder = LADDER.filter((depth) => depth < max);
    this.ladder.push(max);
    this.depth = max;
  }

  /**
   * A request of the group `leaf` has completed, at `now` in ns.
   *
   * @param units Its cost.
   * @param full The window was full.
   * @param lacks A group with requests in flight had none that waited for the place.
   * @param inflight Requests in flight, this one included.
   */
  completed(
    leaf: number,
    units: number,
    full: boolean,
    lacks: boolean,
    inflight: number,
    now: number,
  ): void {
    if (this.settling > 0) {
      if (this.setAt === -1) this.setAt = now;
      // What the former window let in must leave first.
      if (inflight <= this.depth) this.settling--;
      if (this.settling <= 0 && now - this.setAt < SETTLE) this.settling = 1;
      if (this.settling <= 0) this.begin(now);
      return;
    }
    this.units += units;
    this.completions++;
    this.inflight += inflight;
    if (full) this.full++;
    if (lacks) this.lacking++;
    else if (!full) this.limited++;
    if (this.firstLeaf === -1) this.firstLeaf = leaf;
    if (leaf !== this.firstLeaf) this.others++;
    const length = now - this.since;
    if (length < INTERVAL) return;
    if (this.completions < LEAST_COMPLETIONS && length < LONGEST_INTERVAL) return;
    // A pause says nothing about the device.
    if (length < 2 * LONGEST_INTERVAL) this.judge(this.units / length, now);
    if (this.settling === 0) this.begin(now);
  }

  private begin(now: number): void {
    this.since = now;
    this.units = 0;
    this.completions = 0;
    this.inflight = 0;
    this.full = 0;
    this.lacking = 0;
    this.limited = 0;
    this.firstLeaf = -1;
    this.others = 0;
  }

  private set(depth: number): void {
    if (depth === this.depth) return;
    this.depth = depth;
    this.setAt = -1;
    this.settling = Math.min(2 * depth, LEAST_COMPLETIONS) + 1;
  }

  private judge(rate: number, now: number): void {
    if (this.others === 0) this.leaveAlone();
    else if (this.limited > this.completions / 2) this.holdsNothing(now);
    else if (this.state === ALONE) this.start(now);
    else if (this.state === REFERENCE) this.search(rate, now);
    else if (this.state === SEARCH) this.narrow(rate, now);
    else if (this.state === HOLD) this.hold(rate, now);
    else this.probed(rate, now);
  }

  /** One group, or none: nobody to be fair to. */
  private leaveAlone(): void {
    this.state = ALONE;
    this.notBefore = 0;
    this.set(this.max);
  }

  private start(now: number): void {
    if (now < this.notBefore) return;
    this.state = REFERENCE;
    this.set(this.max);
  }

  /** Throughput without a window is known: what was in flight is the largest window that matters. */
  private search(rate: number, now: number): void {
    this.best = rate;
    this.loss = LOSS;
    this.levelBefore = -1;
    this.low = 0;
    this.high = this.levelFor(this.inflight / this.completions);
    this.tryMiddle(now);
  }

  private levelFor(depth: number): number {
    const level = this.ladder.findIndex((one) => one >= depth);
    return level === -1 ? this.ladder.length - 1 : level;
  }

  /** The throughput that a window must reach. */
  private enough(): number {
    return (1 - this.loss - FORGIVEN / Math.sqrt(this.completions)) * this.best;
  }

  private tryMiddle(now: number): void {
    if (this.low >= this.high) {
      this.settle(now);
      return;
    }
    this.state = SEARCH;
    this.set(this.ladder[(this.low + this.high) >> 1]);
  }

  private narrow(rate: number, now: number): void {
    const middle = (this.low + this.high) >> 1;
    this.best = Math.max(this.best, rate);
    if (rate >= this.enough()) this.high = middle;
    else this.low = middle + 1;
    this.tryMiddle(now);
  }

  private settle(now: number): void {
    this.state = HOLD;
    this.level = this.low;
    this.held = 0;
    this.oddOnes = 0;
    this.upFailures = 0;
    this.restartProbes(now);
    this.set(this.ladder[this.level]);
  }

  private hold(rate: number, now: number): void {
    const isFirst = this.held === 0;
    if (isFirst) this.held = rate;
    const isDue = now >= this.nextProbe;
    const lack = this.lacking / this.completions;
    this.meanLack = isFirst ? lack : this.meanLack + (lack - this.meanLack) / 16;
    if ((isFirst || isDue) && this.weighChoice(this.meanLack, now)) return;
    this.slack = this.full < this.completions / 2 ? this.slack + 1 : 0;
    if (this.slack >= 3) this.holdsNothing(now);
    if (this.slack > 0) return;
    this.oddOnes = Math.abs(rate / this.held - 1) > OTHER_LOAD ? this.oddOnes + 1 : 0;
    if (this.oddOnes >= 2) {
      this.state = REFERENCE;
      this.set(this.max);
      return;
    }
    if (this.oddOnes > 0) return;
    this.held += (rate - this.held) / 4;
    if (!isDue) return;
    this.probe();
  }

  /** The window does not bind: few requests come, or every group waits for a limit. */
  private holdsNothing(now: number): void {
    this.notBefore = now + REST;
    this.slack = 0;
    this.state = ALONE;
    this.set(this.max);
  }

  /** True if another window is tried. */
  private weighChoice(lack: number, now: number): boolean {
    if (this.levelBefore !== -1) {
      const level = this.levelBefore;
      this.levelBefore = -1;
      if (lack < 0.5 * this.lackBefore) return false;
      this.choiceNotBefore = now + LONG_REST;
      this.loss = LOSS;
      this.low = level;
      this.settle(now);
      return true;
    }
    if (lack <= LITTLE_CHOICE || this.loss > LOSS || now < this.choiceNotBefore) return false;
    this.levelBefore = this.level;
    this.lackBefore = lack;
    this.loss = LOSS_FOR_CHOICE;
    this.low = 0;
    this.high = this.level;
    this.tryMiddle(now);
    return true;
  }

  private restartProbes(now: number): void {
    this.probeEvery = PROBE_FIRST;
    this.nextProbe = now + PROBE_FIRST;
  }

  private probe(): void {
    const up = this.upNext || this.level === 0;
    this.upNext = !this.upNext;
    const to = up ? this.level + 2 : this.level - 1;
    this.state = up ? PROBE_UP : PROBE_DOWN;
    this.set(this.ladder[Math.min(to, this.ladder.length - 1)]);
  }

  private probed(rate: number, now: number): void {
    const wentUp = this.state === PROBE_UP;
    this.state = HOLD;
    this.probeEvery = Math.min(2 * this.probeEvery, PROBE_LAST);
    this.nextProbe = now + this.probeEvery;
    if (wentUp) {
      // The best is smoothed, and two probes must agree: one lucky interval moves nothing.
      const kept = (1 - OVERSHOOT) * rate;
      if (kept > this.best) this.best += 0.5 * (kept - this.best);
      // Slowly: this is the best of two steps up, not of all windows.
      else if (rate < this.best) this.best += 0.02 * (rate - this.best);
      const enough = this.held >= this.enough();
      this.upFailures = enough ? 0 : this.upFailures + 1;
      if (!enough) {
        this.upNext = true;
        this.restartProbes(now);
      }
      if (this.upFailures >= 2 && this.level < this.ladder.length - 1) this.move(1, now);
    } else if (rate >= this.enough()) this.move(-1, now);
    this.set(this.ladder[this.level]);
  }

  private move(by: number, now: number): void {
    this.level += by;
    this.held = 0;
    this.upFailures = 0;
    this.restartProbes(now);
    this.upNext = by > 0;
  }
}
