/** Windows one by one up to this one; above it each is about an eighth larger than the one before. */
const FINE = 16;

/**
 * The windows that the search tries, by level: 1 to 16 one by one, then in steps of an eighth. A step
 * changes throughput and partial backlog by about as much wherever it is taken.
 */
export class DepthLadder {
  readonly #depths: number[] = [];

  /** @param max The largest window there can be; it is the last level. */
  constructor(max: number) {
    for (let depth = 1; depth < FINE && depth < max; depth++) this.#depths.push(depth);
    for (let base = FINE; base < max; base *= 2) {
      for (let eighth = 8; eighth < 16 && (base * eighth) / 8 < max; eighth++) {
        this.#depths.push((base * eighth) / 8);
      }
    }
    this.#depths.push(max);
  }

  /** The last level. */
  get last(): number {
    return this.#depths.length - 1;
  }

  depthAt(level: number): number {
    return this.#depths[level];
  }

  /** The lowest level of a window of at least `depth`; the last one if all are smaller. */
  levelFor(depth: number): number {
    const level = this.#depths.findIndex((one) => one >= depth);
    return level === -1 ? this.last : level;
  }
}
