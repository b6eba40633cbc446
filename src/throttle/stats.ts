import type { Group } from './group.js';
import { Latencies } from './latencies.js';
import { secondOf } from './latency-memory.js';
import { LatencyReader, SPANS, type Span, SpanSum, type SpanTimes } from './latency-reader.js';
import type { Levels } from './leaky-buckets.js';
import type { PressureRows } from './pressure.js';

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
const BYTES = 0;
const IOS = 3;
const WAIT = 6;
const WAITS = 7;
/** Those before here count since the mount. */
const SINCE_MOUNT = 8;
const QUEUED = 8;
const INFLIGHT = 9;
const FIGURES = 10;
/** The series of each direction in the memory of latencies, 0 for none. */
const SERIES = 10;
const ROW = SERIES + DIRECTIONS.length;

type Rows = Float64Array<SharedArrayBuffer>;

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

/** Names for a reader of the numbers. Plain data, for another thread. */
export type FigureNews =
  /** The counters go on in new memory, which has more rows. The numbers of before are copied. */
  | ({ kind: 'rows' } & FigureRows)
  /** A further page of the memory of latencies. */
  | { kind: 'latencies'; page: SharedArrayBuffer }
  /** The memory of pressures goes on here. */
  | { kind: 'pressures'; rows: PressureRows }
  /** So does that of the levels of the buckets; see LeakyBuckets. */
  | { kind: 'levels'; levels: Levels }
  | { kind: 'group'; id: number; name: string; parent: number }
  | { kind: 'group-gone'; id: number }
  /** A new member, or one that came from another group. */
  | { kind: 'member'; id: number; name: string; group: number }
  | { kind: 'member-gone'; id: number };

/** A group as far as its figures go. */
export interface FigureNode {
  readonly id: number;
  readonly members: ReadonlySet<number>;
  readonly children: ReadonlyMap<string, FigureNode>;
}

/** Counts per member. A group's figures are added up from them when somebody asks. */
export class Counters {
  private members = newRows(0);
  private groups = newRows(0);
  private readonly tell: (news: FigureNews) => void;
  private readonly latencies: Latencies;
  private readonly reader: LatencyReader;

  /** @param tell Called with all that a reader in another thread needs, in order. */
  constructor(tell: (news: FigureNews) => void = () => {}) {
    this.tell = tell;
    this.latencies = new Latencies((page) => tell({ kind: 'latencies', page }));
    this.reader = new LatencyReader(this.latencies.pages);
  }

  /** Makes room; never shrinks. */
  grow(members: number, groups: number): void {
    const before = [this.members, this.groups];
    this.members = grownRows(this.members, members);
    this.groups = grownRows(this.groups, groups);
    if (before[0] === this.members && before[1] === this.groups) return;
    this.tell({ kind: 'rows', members: this.members, groups: this.groups });
  }

  tellPressures(rows: PressureRows): void {
    this.tell({ kind: 'pressures', rows });
  }

  tellLevels(levels: Levels): void {
    this.tell({ kind: 'levels', levels });
  }

  groupMade(id: number, name: string, parent: number): void {
    this.tell({ kind: 'group', id, name, parent });
  }

  memberMade(id: number, name: string, group: number): void {
    this.tell({ kind: 'member', id, name, group });
  }

  admitted(member: number, direction: number, bytes: number): void {
    const base = member * ROW;
    this.members[base + BYTES + direction] += bytes;
    this.members[base + IOS + direction]++;
    this.members[base + INFLIGHT]++;
  }

  queued(member: number): void {
    this.members[member * ROW + QUEUED]++;
  }

  /** A request waits no more, after `waitNs`; 0 for one that was cancelled. */
  unqueued(member: number, waitNs: number): void {
    const base = member * ROW;
    this.members[base + QUEUED]--;
    this.members[base + WAIT] += waitNs;
    if (waitNs > 0) this.members[base + WAITS]++;
  }

  /** @param serviceNs Time since the request was admitted. */
  completed(
    member: number,
    direction: number,
    bytes: number,
    waitNs: number,
    serviceNs: number,
    nowNs: number,
  ): void {
    const { members, latencies } = this;
    const base = member * ROW;
    members[base + INFLIGHT]--;
    let series = members[base + SERIES + direction];
    if (series === 0) {
      series = latencies.make(nowNs);
      members[base + SERIES + direction] = series;
    }
    latencies.add(series, bytes, waitNs, serviceNs, nowNs);
  }

  /**
   * A group keeps the figures that its members have made there; earlier ones stay where they were made.
   * Times begin anew for the member: the group keeps those.
   */
  memberMoved(id: number, name: string, from: number, to: number): void {
    for (let figure = 0; figure < SINCE_MOUNT; figure++) {
      const value = this.members[id * ROW + figure];
      this.groups[from * ROW + figure] += value;
      this.groups[to * ROW + figure] -= value;
    }
    this.moveTimes(this.groups, from, this.members, id);
    this.tell({ kind: 'member', id, name, group: to });
  }

  /** The figures of a removed member stay with its group; the number may be used again. */
  memberRemoved(id: number, group: number): void {
    addFigures(this.groups, group, this.members, id);
    this.moveTimes(this.groups, group, this.members, id);
    clearRow(this.members, id);
    this.tell({ kind: 'member-gone', id });
  }

  /** The past of a removed group belongs to its parent; the number may be used again. */
  groupRemoved(id: number, parent: number): void {
    addFigures(this.groups, parent, this.groups, id);
    this.moveTimes(this.groups, parent, this.groups, id);
    clearRow(this.groups, id);
    this.tell({ kind: 'group-gone', id });
  }

  ofMember(member: number): Stats {
    return memberFigures(member, this.members);
  }

  ofGroup(group: Group): Stats {
    return groupFigures(group, { members: this.members, groups: this.groups });
  }

  timesOfMember(member: number, nowNs: number): Times {
    return memberTimes(member, this.members, this.reader, nowNs);
  }

  timesOfGroup(group: Group, nowNs: number): Times {
    return groupTimes(group, { members: this.members, groups: this.groups }, this.reader, nowNs);
  }

  private moveTimes(to: Rows, toRow: number, from: Rows, row: number): void {
    for (let place = SERIES; place < ROW; place++) {
      const [into, series] = [toRow * ROW + place, row * ROW + place];
      to[into] = this.latencies.merge(to[into], from[series]);
      from[series] = 0;
    }
  }
}

/** Figures of a member, in all groups that it was in. */
export function memberFigures(member: number, members: Float64Array): Stats {
  return toStats(members.subarray(member * ROW, (member + 1) * ROW));
}

/** Charges in a group and below it, by present and past members. */
export function groupFigures(group: FigureNode, view: FigureView): Stats {
  const sum = new Float64Array(FIGURES);
  for (const [rows, row] of rowsBelow(group, view)) addFigures(sum, 0, rows, row);
  return toStats(sum);
}

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

/** All that a member's requests have taken in the group that it is in, by direction. */
export function memberSums(
  member: number,
  members: Float64Array,
  reader: LatencyReader,
): Partial<Record<Direction, SpanSum>> {
  const sums: Partial<Record<Direction, SpanSum>> = {};
  for (const [direction, name] of DIRECTIONS.entries()) {
    const series = members[member * ROW + SERIES + direction];
    if (series === 0) continue;
    const sum = new SpanSum();
    reader.add(series, 'mount', 0, sum);
    sums[name] = sum;
  }
  return sums;
}

/** Times of the requests of a member, in the group that it is in. `nowNs` is the throttle's time. */
export function memberTimes(
  member: number,
  members: Float64Array,
  reader: LatencyReader,
  nowNs: number,
): Times {
  return sumTimes([[members, member]], reader, nowNs);
}

/** Times of the requests in a group and below it, by present and past members. */
export function groupTimes(
  group: FigureNode,
  rows: FigureView,
  reader: LatencyReader,
  nowNs: number,
): Times {
  return sumTimes(rowsBelow(group, rows), reader, nowNs);
}

/** The rows of a group and of all members and groups below it. */
function* rowsBelow(
  group: FigureNode,
  rows: FigureView,
): Generator<[rows: Float64Array, row: number]> {
  yield [rows.groups, group.id];
  for (const member of group.members) yield [rows.members, member];
  for (const child of group.children.values()) yield* rowsBelow(child, rows);
}

function sumTimes(
  rows: Iterable<readonly [rows: Float64Array, row: number]>,
  reader: LatencyReader,
  nowNs: number,
): Times {
  const sums = new RowSums();
  for (const [of, row] of rows) sums.addRow(of, row, reader, secondOf(nowNs));
  return sums.times;
}

function newRows(rows: number): Rows {
  return new Float64Array(new SharedArrayBuffer(rows * ROW * Float64Array.BYTES_PER_ELEMENT));
}

/** A copy of `old` with room for `rows`, the new ones 0; `old` itself if it has them. */
function grownRows(old: Rows, rows: number): Rows {
  if (rows * ROW <= old.length) return old;
  const grown = newRows(rows);
  grown.set(old);
  return grown;
}

function clearRow(rows: Rows, row: number): void {
  rows.fill(0, row * ROW, (row + 1) * ROW);
}

function addFigures(to: Float64Array, toRow: number, from: Float64Array, row: number): void {
  for (let figure = 0; figure < FIGURES; figure++) {
    to[toRow * ROW + figure] += from[row * ROW + figure];
  }
}

function toStats(figures: Float64Array): Stats {
  const [rbytes, wbytes, dbytes, rios, wios, dios, waitNs, waits, queued, inflight] = figures;
  return { rbytes, wbytes, dbytes, rios, wios, dios, waitNs, waits, queued, inflight };
}
