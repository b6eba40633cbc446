import type { Parts } from './parts.js';

/** Rows to begin with. */
const LEAST = 8;

/**
 * Sizes everything that has a row for each group, member or node. The measure is the most groups and
 * members there ever were, not the number that was given out last: a number that is used again may be
 * small. Rows double and never shrink.
 */
export function fitTables(parts: Parts, groups: number, members: number): void {
  const { table, nodes, buckets, reservations, pressures, counters } = parts;
  // A table by node has a row more than there are groups, for ROOT_MEMBERS.
  const groupRows = rowsFor(groups + 1);
  const memberRows = rowsFor(members);
  for (const one of [buckets, reservations, pressures]) one.grow(groupRows);
  table.grow(memberRows);
  counters.grow(memberRows, groupRows);
  nodes.grow(Math.max(groupRows, memberRows));
}

function rowsFor(count: number): number {
  return Math.max(LEAST, 2 ** Math.ceil(Math.log2(count)));
}
