import {
  addFigures,
  BYTES,
  DIRECTIONS,
  type Direction,
  FIGURES,
  type FigureRows,
  type FigureView,
  INFLIGHT,
  IOS,
  QUEUED,
  ROW,
  RowSums,
  type Rows,
  SERIES,
  SINCE_MOUNT,
  type Stats,
  type Times,
  toStats,
  WAIT,
  WAITS,
} from './figure-rows.js';
import type { Group } from './group.js';
import { Latencies } from './latencies.js';
import { secondOf } from './latency-memory.js';
import { LatencyReader, SpanSum } from './latency-reader.js';
import type { Levels } from './leaky-buckets.js';
import type { PressureRows } from './pressure.js';

/** The name of members that are to be removed and have requests in flight. */
export const NAMELESS = '';

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
  /** A new member, or one that came from another group, or has lost its name. */
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

  memberNamed(id: number, name: string, group: number): void {
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

  /** All that a member or a group has counted since the mount, for `resume`. */
  counted(of: 'members' | 'groups', id: number): number[] {
    return Array.from(this[of].subarray(id * ROW, id * ROW + SINCE_MOUNT));
  }

  /** Goes on counting from where another one has stopped. */
  resume(of: 'members' | 'groups', id: number, counted: readonly number[]): void {
    this[of].set(counted, id * ROW);
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
