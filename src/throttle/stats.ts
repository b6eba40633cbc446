import { grownFloat64 } from './fifo-lists.js';
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

/** Counts per member. A group's figures are added up from them when somebody asks. */
export class Counters {
  private figures = new Float64Array(0);
  /** Per group: what left with members that moved away, less what members brought along. */
  private moved = new Float64Array(0);

  growMembers(members: number): void {
    this.figures = grownFloat64(this.figures, members * FIGURES, 0);
  }

  growGroups(groups: number): void {
    this.moved = grownFloat64(this.moved, groups * FIGURES, 0);
  }

  admitted(member: number, direction: number, bytes: number): void {
    const base = member * FIGURES;
    this.figures[base + BYTES + direction] += bytes;
    this.figures[base + IOS + direction]++;
    this.figures[base + INFLIGHT]++;
  }

  queued(member: number): void {
    this.figures[member * FIGURES + QUEUED]++;
  }

  /** A request waits no more, after `waitNs`; 0 for one that was cancelled. */
  unqueued(member: number, waitNs: number): void {
    const base = member * FIGURES;
    this.figures[base + QUEUED]--;
    this.figures[base + WAIT] += waitNs;
  }

  completed(member: number): void {
    this.figures[member * FIGURES + INFLIGHT]--;
  }

  /** A group keeps what its members did there; what they did before stays where it was. */
  memberMoved(member: number, from: number, to: number): void {
    for (let figure = 0; figure <= WAIT; figure++) {
      const value = this.figures[member * FIGURES + figure];
      this.moved[from * FIGURES + figure] += value;
      this.moved[to * FIGURES + figure] -= value;
    }
  }

  /** What a removed member did stays with its group; the number may be used again. */
  memberRemoved(member: number, group: number): void {
    for (let figure = 0; figure < FIGURES; figure++) {
      this.moved[group * FIGURES + figure] += this.figures[member * FIGURES + figure];
      this.figures[member * FIGURES + figure] = 0;
    }
  }

  /** The past of a removed group belongs to its parent; the number may be used again. */
  groupRemoved(group: number, parent: number): void {
    for (let figure = 0; figure <= WAIT; figure++) {
      this.moved[parent * FIGURES + figure] += this.moved[group * FIGURES + figure];
      this.moved[group * FIGURES + figure] = 0;
    }
  }

  ofMember(member: number): Stats {
    return toStats(this.figures.subarray(member * FIGURES, (member + 1) * FIGURES));
  }

  ofGroup(group: Group): Stats {
    const sum = new Float64Array(FIGURES);
    this.addGroup(group, sum);
    return toStats(sum);
  }

  private addGroup(group: Group, sum: Float64Array): void {
    for (let figure = 0; figure < FIGURES; figure++) {
      sum[figure] += this.moved[group.id * FIGURES + figure];
      for (const member of group.members) sum[figure] += this.figures[member * FIGURES + figure];
    }
    for (const child of group.children.values()) this.addGroup(child, sum);
  }
}

function toStats(figures: Float64Array): Stats {
  return {
    rbytes: figures[BYTES],
    wbytes: figures[BYTES + 1],
    dbytes: figures[BYTES + 2],
    rios: figures[IOS],
    wios: figures[IOS + 1],
    dios: figures[IOS + 2],
    waitNs: figures[WAIT],
    queued: figures[QUEUED],
    inflight: figures[INFLIGHT],
  };
}
