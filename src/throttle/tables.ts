import type { LeakyBuckets } from './leaky-buckets.js';
import type { NodeTable } from './node-table.js';
import type { PressureTable } from './pressure.js';
import type { RequestTable } from './request-table.js';
import type { Reservations } from './reservations.js';
import type { Counters } from './stats.js';

/** Everything that has a row for each group, member or node. */
interface Sized {
  readonly table: RequestTable;
  readonly nodes: NodeTable;
  readonly buckets: LeakyBuckets;
  readonly reservations: Reservations;
  readonly pressures: PressureTable;
  readonly counters: Counters;
}

/** Rows to begin with. */
const LEAST = 8;

/**
 * Sizes all tables. The measure is the most groups and members there ever were, not the number that
 * was given out last: a number that is used again may be small. Rows double and never shrink.
 */
export class Tables {
  readonly #sized: Sized;
  #groupRows = 0;
  #memberRows = 0;

  constructor(sized: Sized) {
    this.#sized = sized;
  }

  /** Makes room for this many groups and members. */
  fit(groups: number, members: number): void {
    const { table, nodes, buckets, reservations, pressures, counters } = this.#sized;
    // A table by node has a row more than there are groups, for ROOT_MEMBERS.
    const groupRows = rowsFor(groups + 1);
    const memberRows = rowsFor(members);
    if (groupRows > this.#groupRows) {
      this.#groupRows = groupRows;
      buckets.grow(groupRows);
      reservations.grow(groupRows);
      pressures.grow(groupRows);
      counters.growGroups(groupRows);
    }
    if (memberRows > this.#memberRows) {
      this.#memberRows = memberRows;
      table.grow(memberRows);
      counters.growMembers(memberRows);
    }
    nodes.grow(Math.max(this.#groupRows, this.#memberRows));
  }
}

function rowsFor(count: number): number {
  return Math.max(LEAST, 2 ** Math.ceil(Math.log2(count)));
}
