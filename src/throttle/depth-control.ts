import { Comparison, ENOUGH, UNDECIDED } from './comparison.js';
import { depthLadder } from './depth-ladder.js';
import { WindowMeter } from './window-meter.js';

/** Throughput may fall this far for the sake of a smaller window. */
const KEPT = 0.97;
/**
 * The same for a window that gives weights a choice, where a larger one does not: who sets weights wants
 * shares. It matters with few threads: 4 + 4 at a window of 3 keep 72 % and a share of 79.8.
 */
const KEPT_FOR_CHOICE = 0.75;
/**
 * A group that has no request when a place becomes free, and is not waited for (Idlers), loses what it was
 * owed: a lack of 1 % costs a weight of 80 in 100 0.8 points (measured at 2 x 128 on the virtio disk: 0.5 %
 * gave 79.6, 3.5 % 77.5, 12 % 70.4). A step of the ladder changes it by a factor of two to three.
 */
const LACK = 0.004;
/** Beyond this weights have no choice that is worth a loss. */
const LACK_HOPELESS = 0.5;
/**
 * Steps of the ladder for one measurement without lack, and for one with so many times LACK that it
 * counts in full: 1.2 steps up a second, and up to 15 down.
 */
const STEP_UP = 0.04;
const STEP_DOWN_MOST = 12;

/** Measurements in each search of what is in flight without a window, and of the lack at one. */
const OPEN_SAMPLES = 3;
const SEARCH_SAMPLES = 2;
/** A throughput that changes by more than this, for so many measurements, is another load. */
const OTHER_LOAD = 0.25;
const OTHER_LOAD_FOR = 8;
/** Measurements in a row in which the least window possible did not bind. */
const NO_WINDOW_BINDS = 8;
/** A search is not followed by another at once: they find the same, and the shares pay. In ns. */
const SEARCH_AGAIN_FIRST = 1.5e9;
const SEARCH_AGAIN_LAST = 12e9;
/** How often the window found is compared with its neighbours, at first and while nothing changes. */
const REVIEW_FIRST = 0.5e9;
const REVIEW_LAST = 8e9;
/** On a slow disk a review takes seconds and the shares pay: measurements from one to the next. */
const REVIEW_PAUSE = 25;
/** After a search that found no window that binds. */
const REST = 2e9;

/** Nobody to be fair to: no window. */
const ALONE = 0;
/** Without a window: how many requests there are. */
const OPEN = 1;
/** Bisection for the largest window at which weights have a choice, the ceiling. */
const CHOICE = 2;
/** If that is too small: bisection for the smallest that is worth its throughput, the floor. */
const WORTH = 3;
/** Bisection for the smallest window that keeps the throughput of the ceiling. */
const KNEE = 4;
const HOLD = 5;
/** Measuring the lack at a window above the ceiling: that may have been found in a bad moment. */
const ABOVE = 6;
/** Comparing the window found, or the next smaller one, with the ceiling. */
const REVIEW = 7;
/** Steps from the ceiling to what is looked at above it: half as large again. */
const STEPS_ABOVE = 4;

/**
 * Finds the window of `io.depth auto`. Pure, and told of starts and completions only.
 *
 * Weights can choose only while every group has a request that waits. How often one has not is seen
 * exactly and at once, while throughput is noise to some percent; so that is asked first. The ceiling is
 * the largest window that leaves the choice, and from then on follows the lack of it. It is never below
 * the floor, at which three quarters of the throughput without a window are left. The window is the
 * smallest one that keeps 97 % of the throughput of the ceiling, by measurements of both in turn.
 *
 * While one group alone has requests there is no window. The search begins when a second one comes, and
 * takes one to two seconds. A throughput that changes by a quarter starts it anew.
 */
export class DepthControl {
  depth: number;
  private readonly max: number;
  private readonly ladder: number[];
  private readonly meter = new WindowMeter();
  private readonly comparison = new Comparison();
  private state = ALONE;
  /** The window, what is in flight without one, and the floor: levels of the ladder. */
  private level = 0;
  private open = 0;
  private floor = 0;
  /** A level too, with its fraction. */
  private ceiling = 0;
  /** Groups seldom have requests that wait at any window worth having: the ceiling is `open`. */
  private hopeless = false;
  /** The ceiling has been found too low in the review under way, and the window was below it. */
  private risen = false;
  /** The search under way: levels, and what was measured at the one that is tried. */
  private low = 0;
  private high = 0;
  private samples = 0;
  private sampledLack = 0;
  private sampledInflight = 0;
  private notBefore = 0;
  private searchedAt = -Infinity;
  private searchEvery = SEARCH_AGAIN_FIRST;
  private foundBefore = -1;
  /** Throughput of the window that is held, 0 if it is not known yet. */
  private held = 0;
  private oddOnes = 0;
  private slack = 0;
  private reviewAt = 0;
  private reviewEvery = REVIEW_FIRST;

  /** @param max The largest window there can be. */
  constructor(max: number) {
    this.max = max;
    this.ladder = depthLadder(max);
    this.depth = max;
  }

  /** See `WindowMeter.started`. */
  started(lacks: boolean): void {
    this.meter.started(lacks);
  }

  /** See `WindowMeter.completed`. */
  completed(
    leaf: number,
    units: number,
    full: boolean,
    lacks: boolean,
    inflight: number,
    now: number,
  ): void {
    if (!this.meter.completed(leaf, units, full, lacks, inflight, now)) return;
    this.judge(now);
    this.meter.begin(now);
  }

  private judge(now: number): void {
    const { meter, state } = this;
    if (meter.isAlone) this.leaveAlone();
    else if (meter.isLimited) this.holdsNothing(now);
    else if (state === ALONE) this.start(now);
    else if (state === OPEN) this.measureOpen(now);
    else if (state === CHOICE) this.narrowChoice(now);
    else if (state === HOLD) this.hold(now);
    else if (state === ABOVE) this.lookedAbove(now);
    else this.compared(now);
  }

  private setLevel(level: number): void {
    this.set(this.ladder[level]);
  }

  private set(depth: number): void {
    this.samples = 0;
    this.sampledLack = 0;
    this.sampledInflight = 0;
    if (depth === this.depth) return;
    this.depth = depth;
    this.meter.restart(depth);
  }

  /** True when `enough` measurements of the same window are there, with their means. */
  private sampled(enough: number): boolean {
    const { meter } = this;
    this.samples++;
    this.sampledLack += (meter.lack - this.sampledLack) / this.samples;
    this.sampledInflight += (meter.meanInflight - this.sampledInflight) / this.samples;
    return this.samples >= enough;
  }

  /** One group, or none. */
  private leaveAlone(): void {
    this.state = ALONE;
    this.notBefore = 0;
    this.searchEvery = SEARCH_AGAIN_FIRST;
    this.searchedAt = -Infinity;
    this.foundBefore = -1;
    this.set(this.max);
  }

  /** The window does not bind: few requests come, or every group waits for a limit. */
  private holdsNothing(now: number): void {
    this.notBefore = now + REST;
    this.slack = 0;
    this.state = ALONE;
    this.set(this.max);
  }

  private start(now: number): void {
    if (now >= this.notBefore) this.search();
  }

  private search(): void {
    this.state = OPEN;
    this.set(this.max);
  }

  /** What is in flight without a window is the largest window that matters. */
  private measureOpen(now: number): void {
    if (!this.sampled(OPEN_SAMPLES)) return;
    this.open = this.levelFor(this.sampledInflight);
    this.floor = 0;
    this.hopeless = false;
    this.low = 0;
    this.high = this.open;
    this.tryChoice(now);
  }

  private levelFor(depth: number): number {
    const level = this.ladder.findIndex((one) => one >= depth);
    return level === -1 ? this.ladder.length - 1 : level;
  }

  /** Between `low`, which leaves a choice or is the least, and `high`. */
  private tryChoice(now: number): void {
    if (this.low < this.high) {
      this.state = CHOICE;
      this.setLevel((this.low + this.high + 1) >> 1);
      return;
    }
    this.ceiling = this.low;
    this.high = this.open;
    if (this.low === this.open) this.tryKnee(now);
    else this.compare(WORTH, this.open, this.low, KEPT_FOR_CHOICE, now);
  }

  private narrowChoice(now: number): void {
    if (!this.sampled(SEARCH_SAMPLES)) return;
    const tried = this.levelFor(this.depth);
    if (this.sampledLack <= LACK) this.low = tried;
    else this.high = tried - 1;
    this.tryChoice(now);
  }

  /** The first that is compared is the ceiling: if it is worth its throughput there is no floor. */
  private narrowWorth(enough: boolean, now: number): void {
    const { candidate } = this.comparison;
    if (!enough) this.low = candidate + 1;
    else if (candidate === this.top) this.high = this.low;
    else this.high = candidate;
    if (this.low < this.high) {
      this.compare(WORTH, this.open, (this.low + this.high) >> 1, KEPT_FOR_CHOICE, now);
      return;
    }
    this.floor = this.low > this.top ? this.low : 0;
    this.ceiling = Math.max(this.ceiling, this.floor);
    this.tryKnee(now);
  }

  /** Looks for the smallest window that keeps enough of the throughput of the ceiling. */
  private tryKnee(now: number): void {
    this.low = 0;
    this.high = this.top;
    this.bisectKnee(now);
  }

  /** The ceiling as a level. */
  private get top(): number {
    return Math.round(this.ceiling);
  }

  private bisectKnee(now: number): void {
    if (this.low >= this.high) this.settle(now);
    else this.compare(KNEE, this.top, (this.low + this.high) >> 1, KEPT, now);
  }

  private compare(state: number, base: number, candidate: number, kept: number, now: number): void {
    this.state = state;
    this.comparison.begin(base, candidate, kept, now);
    this.setLevel(base);
  }

  private compared(now: number): void {
    const { comparison, meter } = this;
    if (this.state !== WORTH) this.moveCeiling(comparison.level);
    const verdict = comparison.measured(meter.rate, meter.completions, now);
    if (verdict === UNDECIDED) this.setLevel(comparison.level);
    else if (this.state === WORTH) this.narrowWorth(verdict === ENOUGH, now);
    else if (this.state === KNEE) this.narrowKnee(verdict === ENOUGH, now);
    else this.reviewed(verdict === ENOUGH, now);
  }

  private narrowKnee(enough: boolean, now: number): void {
    const { candidate } = this.comparison;
    if (enough) this.high = candidate;
    else this.low = candidate + 1;
    this.bisectKnee(now);
  }

  private settle(now: number): void {
    this.level = Math.min(this.low, this.top);
    const isSame = Math.abs(this.level - this.foundBefore) <= 2;
    const longer = Math.min(2 * this.searchEvery, SEARCH_AGAIN_LAST);
    this.searchEvery = isSame ? longer : SEARCH_AGAIN_FIRST;
    this.foundBefore = this.level;
    this.searchedAt = now;
    this.reviewEvery = REVIEW_FIRST;
    this.beginHold(now);
  }

  private beginHold(now: number): void {
    this.state = HOLD;
    this.held = 0;
    this.oddOnes = 0;
    this.slack = 0;
    this.reviewAt = now + Math.max(this.reviewEvery, REVIEW_PAUSE * this.meter.length);
    this.setLevel(this.level);
  }

  private hold(now: number): void {
    if (this.isOtherLoad()) this.searchAgain(now);
    else if (!this.binds()) this.holdsNothing(now);
    else if (!this.hopeless) this.followChoice(now);
    if (this.state === HOLD && now >= this.reviewAt) this.review(now);
  }

  private isOtherLoad(): boolean {
    const { rate } = this.meter;
    if (this.held === 0) this.held = rate;
    const isOdd = Math.abs(rate / this.held - 1) > OTHER_LOAD;
    this.oddOnes = isOdd ? this.oddOnes + 1 : 0;
    if (!isOdd) this.held += (rate - this.held) / 8;
    return this.oddOnes >= OTHER_LOAD_FOR;
  }

  private searchAgain(now: number): void {
    if (now >= this.searchedAt + this.searchEvery) this.search();
    else this.held = 0;
  }

  /** A window that may become smaller binds as soon as it is. */
  private binds(): boolean {
    const canFollow = !this.hopeless && this.top > this.floor;
    this.slack = this.meter.binds || canFollow ? 0 : this.slack + 1;
    return this.slack < NO_WINDOW_BINDS;
  }

  /** The ceiling falls when groups lack requests, and rises when they have plenty at it. */
  private moveCeiling(level: number): void {
    const excess = Math.min(this.meter.lack / LACK - 1, STEP_DOWN_MOST);
    if (this.hopeless || (excess < 0 && level < this.top)) return;
    this.ceiling = Math.max(this.floor, Math.min(this.ceiling - STEP_UP * excess, this.open));
  }

  private followChoice(now: number): void {
    const wasTop = this.level >= this.top;
    this.moveCeiling(this.level);
    if (this.top !== this.level && (wasTop || this.top < this.level)) {
      this.level = this.top;
      this.setLevel(this.level);
    }
    if (this.floor > 0 && this.level === this.floor) this.weighHope(now);
    // Perhaps a small window is not worth its throughput any more.
    else if (3 * this.ladder[this.level] < 2 * this.ladder[this.foundBefore]) this.searchAgain(now);
  }

  /** Groups lack requests even at the floor. */
  private weighHope(now: number): void {
    if (!this.sampled(8)) return;
    if (this.sampledLack > LACK_HOPELESS) {
      this.hopeless = true;
      this.ceiling = this.open;
      this.tryKnee(now);
    } else if (this.sampledLack > 2 * LACK) this.searchAgain(now);
  }

  private review(now: number): void {
    this.reviewEvery = Math.min(2 * this.reviewEvery, REVIEW_LAST);
    this.risen = false;
    if (this.hopeless) this.searchAgain(now);
    else this.lookAbove(now);
  }

  private lookAbove(now: number): void {
    if (this.top === this.ladder.length - 1) {
      this.reviewKnee(now);
      return;
    }
    this.state = ABOVE;
    this.setLevel(Math.min(this.top + STEPS_ABOVE, this.ladder.length - 1));
  }

  private lookedAbove(now: number): void {
    if (!this.sampled(SEARCH_SAMPLES)) return;
    if (this.sampledLack <= LACK) {
      const wasTop = this.level === this.top;
      this.ceiling = this.levelFor(this.depth);
      this.open = Math.max(this.open, this.top);
      this.risen = !wasTop;
      if (wasTop) this.level = this.top;
      this.lookAbove(now);
    } else if (this.risen) this.tryKnee(now);
    else this.reviewKnee(now);
  }

  /** In turn: is the window still enough, and would the next smaller one be? */
  private reviewKnee(now: number): void {
    if (this.level < this.top) this.compare(REVIEW, this.top, this.level, KEPT, now);
    else if (this.level > 0) this.compare(REVIEW, this.top, this.level - 1, KEPT, now);
    else this.beginHold(now);
  }

  private reviewed(enough: boolean, now: number): void {
    const wasSmaller = this.comparison.candidate < this.level;
    if (wasSmaller && enough) this.level--;
    else if (!wasSmaller && !enough) this.level++;
    else if (!wasSmaller && this.level > 0) {
      // Enough as it is: the next one down.
      this.compare(REVIEW, this.top, this.level - 1, KEPT, now);
      return;
    }
    this.beginHold(now);
  }
}
