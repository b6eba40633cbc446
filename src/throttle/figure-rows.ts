import { type LatencyReader, SPANS, type Span, SpanSum, type SpanTimes } from './latency-reader.js';

/** Figures of a member or a group: the words of `io.stat`, cumulative but for the last two. */
export interface Stats {
  rbytes: number;
  wbytes: number;
  dbytes: number;
  rios: number;
  wios: number;
  dios: number;
  /** Time that admitted requests had to wait, in ns, all requests added up. */
  waitNs: number;
  /** Admitted requests that had to wait. */
  waits: number;
  /** Requests that wait now. */
  queued: number;
  /** Requests that were admitted and have not completed. */
  inflight: number;
}

/** Directions by their numbers, READ, WRITE and DISCARD. */
export const DIRECTIONS = ['read', 'write', 'discard'] as const;
export type Direction = (typeof DIRECTIONS)[number];

/** Times of requests by their direction, as far as there were any since the mount. */
export type Times = Partial<Record<Direction, Record<Span, SpanTimes>>>;

/** Places in the row of a member; ios are IOS + direction, bytes BYTES + direction. */
export const BYTES = 0;
export const IOS = 3;
export const WAIT = 6;
export const WAITS = 7;
/** Those before here count since the mount. */
export const SINCE_MOUNT = 8;
export const QUEUED = 8;
export const INFLIGHT = 9;
export const FIGURES = 10;
/** The series of each direction in the memory of latencies, 0 for none. */
export const SERIES = 10;
export const ROW = SERIES + DIRECTIONS.length;

export type Rows = Float64Array<SharedArrayBuffer>;

/**
 * The memory of the counters: a row of doubles for each member and each group, by number. The data
 * path writes plain numbers, and other threads read them at any time without a lock.
 *
 * A reader therefore sees numbers of slightly different moments. It may see the bytes of a request
 * but not yet the request. A member that moves may count in both groups or in neither, so a total may
 * be wrong or even negative once; the next reading is right. A 64-bit processor stores a double in
 * one step, so a single number is never half old and half new. JavaScript itself does not promise
 * that, so a figure is for people and no decision may depend on it.
 */
export interface FigureRows {
  members: Rows;
  /** The figures that members left behind when they moved away, less those that members brought along. */
  groups: Rows;
}

/** The same numbers for who only reads them: in the memory itself, or in a copy of it. */
export type FigureView = Readonly<Record<keyof FigureRows, Float64Array>>;

/** The figures and times of some members and groups together. */
export class RowSums {
  readonly #figures = new Float64Array(FIGURES);
  readonly #spans: readonly Span[];
  /** By direction, then span; a direction is made when it is needed. */
  readonly #times: SpanSum[][] = [];
  /** Directions that have had requests since the mount, as bits. */
  #directions = 0;

  /** @param spans Those of the times. */
  constructor(spans: readonly Span[] = SPANS) {
    this.#spans = spans;
  }

  clear(): void {
    this.#figures.fill(0);
    for (const direction of this.#used()) for (const sum of this.#of(direction)) sum.clear();
    this.#directions = 0;
  }

  /** Adds a row of members or of groups. `second` is the throttle's time. */
  addRow(rows: Float64Array, row: number, reader: LatencyReader, second: number): void {
    addFigures(this.#figures, 0, rows, row);
    for (let direction = 0; direction < DIRECTIONS.length; direction++) {
      const series = rows[row * ROW + SERIES + direction];
      if (series === 0) continue;
      this.#directions |= 1 << direction;
      const sums = this.#of(direction);
      for (const [at, span] of this.#spans.entries()) reader.add(series, span, second, sums[at]!);
    }
  }

  add(other: RowSums): void {
    addFigures(this.#figures, 0, other.#figures, 0);
    this.#directions |= other.#directions;
    for (const direction of other.#used()) {
      const from = other.#of(direction);
      for (const [at, sum] of this.#of(direction).entries()) sum.add(from[at]!);
    }
  }

  get figures(): Stats {
    return toStats(this.#figures);
  }

  /** Spans that it has not are missing. */
  get times(): Times {
    const times: Times = {};
    for (const direction of this.#used()) {
      const sums = this.#of(direction);
      const spans = this.#spans.map((span, at) => [span, sums[at]!.times()]);
      times[DIRECTIONS[direction]!] = Object.fromEntries(spans) as Record<Span, SpanTimes>;
    }
    return times;
  }

  #used(): number[] {
    return BY_BITS[this.#directions]!;
  }

  #of(direction: number): SpanSum[] {
    this.#times[direction] ??= this.#spans.map(() => new SpanSum());
    return this.#times[direction];
  }
}

/** The directions of each set of bits. */
const BY_BITS = Array.from({ length: 2 ** DIRECTIONS.length }, (_, bits) =>
  [...DIRECTIONS.keys()].filter((direction) => (bits >> direction) & 1),
);

/**
 * A copy of the numbers, for figures of several groups of one moment: the queue of a group is never shorter than
 * that of a group in it.
 */
export function copyRows({ members, groups }: FigureRows): FigureView {
  return { members: members.slice(), groups: groups.slice() };
}

export function addFigures(to: Float64Array, toRow: number, from: Float64Array, row: number): void {
  for (let figure = 0; figure < FIGURES; figure++) {
    to[toRow * ROW + figure] += from[row * ROW + figure];
  }
}

export function toStats(figures: Float64Array): Stats {
  return {
    rbytes: figures[BYTES],
    wbytes: figures[BYTES + 1],
    dbytes: figures[BYTES + 2],
    rios: figures[IOS],
    wios: figures[IOS + 1],
    dios: figures[IOS + 2],
    waitNs: figures[WAIT],
    waits: figures[WAITS],
    queued: figures[QUEUED],
    inflight: figures[INFLIGHT],
  };
}
