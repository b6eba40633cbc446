import type { Group } from './group.js';

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
  /** Requests that wait now. */
  queued: number;
  /** Requests that were admitted and have not completed. */
  inflight: number;
}

/** Places in the figures of a member; ios are IOS + direction, bytes BYTES + direction. */
const BYTES = 0;
const IOS = 3;
const WAIT = 6;
const QUEUED = 7;
const INFLIGHT = 8;
const FIGURES = 9;

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

/** Names for a reader of the numbers. Plain data, for another thread. */
export type FigureNews =
  /** The counters go on in new memory, which has more rows. The numbers of before are copied. */
  | ({ kind: 'rows' } & FigureRows)
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

  /** @param tell Called with all that a reader in another thread needs, in order. */
  constructor(tell: (news: FigureNews) => void = () => {}) {
    this.tell = tell;
  }

  /** Makes room; never shrinks. */
  grow(members: number, groups: number): void {
    const before = [this.members, this.groups];
    this.members = grownRows(this.members, members);
    this.groups = grownRows(this.groups, groups);
    if (before[0] === this.members && before[1] === this.groups) return;
    this.tell({ kind: 'rows', members: this.members, groups: this.groups });
  }

  groupMade(id: number, name: string, parent: number): void {
    this.tell({ kind: 'group', id, name, parent });
  }

  memberMade(id: number, name: string, group: number): void {
    this.tell({ kind: 'member', id, name, group });
  }

  admitted(member: number, direction: number, bytes: number): void {
    const base = member * FIGURES;
    this.members[base + BYTES + direction] += bytes;
    this.members[base + IOS + direction]++;
    this.members[base + INFLIGHT]++;
  }

  queued(member: number): void {
    this.members[member * FIGURES + QUEUED]++;
  }

  /** A request waits no more, after `waitNs`; 0 for one that was cancelled. */
  unqueued(member: number, waitNs: number): void {
    const base = member * FIGURES;
    this.members[base + QUEUED]--;
    this.members[base + WAIT] += waitNs;
  }

  completed(member: number): void {
    this.members[member * FIGURES + INFLIGHT]--;
  }

  /** A group keeps the figures that its members have made there; earlier ones stay where they were made. */
  memberMoved(id: number, name: string, from: number, to: number): void {
    for (let figure = 0; figure <= WAIT; figure++) {
      const value = this.members[id * FIGURES + figure];
      this.groups[from * FIGURES + figure] += value;
      this.groups[to * FIGURES + figure] -= value;
    }
    this.tell({ kind: 'member', id, name, group: to });
  }

  /** The figures of a removed member stay with its group; the number may be used again. */
  memberRemoved(id: number, group: number): void {
    addRow(this.groups, group, this.members, id);
    clearRow(this.members, id);
    this.tell({ kind: 'member-gone', id });
  }

  /** The past of a removed group belongs to its parent; the number may be used again. */
  groupRemoved(id: number, parent: number): void {
    addRow(this.groups, parent, this.groups, id);
    clearRow(this.groups, id);
    this.tell({ kind: 'group-gone', id });
  }

  ofMember(member: number): Stats {
    return memberFigures(member, this.members);
  }

  ofGroup(group: Group): Stats {
    return groupFigures(group, this.members, this.groups);
  }
}

/** Figures of a member, in all groups that it was in. */
export function memberFigures(member: number, members: Rows): Stats {
  return toStats(members.subarray(member * FIGURES, (member + 1) * FIGURES));
}

/** Charges in a group and below it, by present and past members. */
export function groupFigures(group: FigureNode, members: Rows, groups: Rows): Stats {
  const sum = new Float64Array(FIGURES);
  const add = (node: FigureNode): void => {
    addRow(sum, 0, groups, node.id);
    for (const member of node.members) addRow(sum, 0, members, member);
    for (const child of node.children.values()) add(child);
  };
  add(group);
  return toStats(sum);
}

function newRows(rows: number): Rows {
  return new Float64Array(new SharedArrayBuffer(rows * FIGURES * Float64Array.BYTES_PER_ELEMENT));
}

/** A copy of `old` with room for `rows`, the new ones 0; `old` itself if it has them. */
function grownRows(old: Rows, rows: number): Rows {
  if (rows * FIGURES <= old.length) return old;
  const grown = newRows(rows);
  grown.set(old);
  return grown;
}

function clearRow(rows: Rows, row: number): void {
  rows.fill(0, row * FIGURES, (row + 1) * FIGURES);
}

function addRow(to: Float64Array, toRow: number, from: Rows, row: number): void {
  for (let figure = 0; figure < FIGURES; figure++) {
    to[toRow * FIGURES + figure] += from[row * FIGURES + figure];
  }
}

function toStats(figures: Float64Array): Stats {
  const [rbytes, wbytes, dbytes, rios, wios, dios, waitNs, queued, inflight] = figures;
  return { rbytes, wbytes, dbytes, rios, wios, dios, waitNs, queued, inflight };
}
