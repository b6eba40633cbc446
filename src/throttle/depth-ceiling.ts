/**
 * Largest partial backlog at which weights count as having a choice. A group that has no request when
 * a place comes free, and is not idled for, loses part of its share: a partial backlog of 1 % costs a
 * weight of 80 in 100 0.8 points (measured at 2 x 128 on the virtio disk: 0.5 % gave 79.6, 3.5 % 77.5,
 * 12 % 70.4). A step of the ladder changes it by a factor of two to three.
 */
export const LEAST_CHOICE = 0.004;
/**
 * Steps of the ladder for one measurement without partial backlog, and for one with so many times
 * LEAST_CHOICE that it counts in full: 1.2 steps a second up, and up to 15 down.
 */
const STEP_UP = 0.04;
const STEP_DOWN_MOST = 12;

/**
 * The ceiling: the largest window that leaves weights a choice, as a level of the ladder. It follows
 * the partial backlog, between the floor and the most requests that are in flight without a window.
 */
export class DepthCeiling {
  /** With its fraction. */
  #exact = 0;
  #floor = 0;
  #open = 0;
  #isHopeless = false;

  get level(): number {
    return Math.round(this.#exact);
  }

  /** Level of the smallest window that is worth its throughput; 0 if the ceiling needs no floor. */
  get floor(): number {
    return this.#floor;
  }

  /** Level of the requests in flight without a window. */
  get open(): number {
    return this.#open;
  }

  /** No window that is worth having leaves weights a choice. */
  get isHopeless(): boolean {
    return this.#isHopeless;
  }

  /** The ceiling may come to be lower. */
  get canFall(): boolean {
    return !this.#isHopeless && this.level > this.#floor;
  }

  /** Begins anew: without a window, as many requests are in flight as the level `open` allows. */
  begin(open: number): void {
    this.#open = open;
    this.#floor = 0;
    this.#isHopeless = false;
  }

  /** The search has found the ceiling. */
  found(level: number): void {
    this.#exact = level;
  }

  /** The search has found the floor; one that is not above the ceiling is none. */
  foundFloor(level: number): void {
    this.#floor = level > this.level ? level : 0;
    this.#exact = Math.max(this.#exact, this.#floor);
  }

  /** A larger window was measured, and leaves a choice. */
  raise(level: number): void {
    this.#exact = level;
    this.#open = Math.max(this.#open, level);
  }

  /** Groups have seldom requests that wait even at the floor. */
  giveUp(): void {
    this.#isHopeless = true;
    this.#exact = this.#open;
  }

  /**
   * Falls when partial backlog was measured at the window `level`, and rises when there was little at
   * the ceiling itself.
   */
  follow(partialBacklog: number, level: number): void {
    const excess = Math.min(partialBacklog / LEAST_CHOICE - 1, STEP_DOWN_MOST);
    if (this.#isHopeless || (excess < 0 && level < this.level)) return;
    this.#exact = Math.max(this.#floor, Math.min(this.#exact - STEP_UP * excess, this.#open));
  }
}
