import type { Group } from './group.js';
import type { Parts } from './parts.js';
import { NAMELESS } from './stats.js';

/**
 * The state of a throttle that another process needs to go on in its place, under the same groups and limits: the debt of
 * each group, and the counters. Requests that wait are not in it: the kernel sends them to that process again. Plain data.
 */
export interface ThrottleState {
  groups: { path: string; levels: number[]; counted: number[] }[];
  members: { name: string; counted: number[] }[];
}

type CarriedParts = Pick<Parts, 'groups' | 'buckets' | 'counters'>;

/** @param nameOf The name of a member. */
export function carryOut(
  { groups, buckets, counters }: CarriedParts,
  nameOf: (member: number) => string,
  now: number,
): ThrottleState {
  const all = allOf(groups);
  return {
    groups: all.map(({ id, path }) => {
      return { path, levels: buckets.levels(id, now), counted: counters.counted('groups', id) };
    }),
    members: all.flatMap(({ members }) =>
      [...members].flatMap((member) => {
        const name = nameOf(member);
        return name === NAMELESS ? [] : [{ name, counted: counters.counted('members', member) }];
      }),
    ),
  };
}

/**
 * A group or member that is not here any more is left out: its figures are lost, and nobody owes its debt.
 *
 * @param then The time at which the state was carried out.
 * @param unseenNs For so long after that requests may have been let go that are not in the state.
 */
export function carryIn(
  { groups, buckets, counters }: CarriedParts,
  nameOf: (member: number) => string,
  state: ThrottleState,
  then: number,
  unseenNs: number,
): void {
  for (const { path, levels, counted } of state.groups) {
    const group = groups.find(path);
    if (group === undefined) continue;
    buckets.setLevels(group.id, levels, then, unseenNs);
    counters.resume('groups', group.id, counted);
  }
  const numbers = new Map(
    allOf(groups).flatMap(({ members }) => [...members].map((one) => [nameOf(one), one] as const)),
  );
  for (const { name, counted } of state.members) {
    const member = numbers.get(name);
    if (member !== undefined) counters.resume('members', member, counted);
  }
}

function allOf(groups: CarriedParts['groups']): Group[] {
  return [groups.root, ...groups.below(groups.root)];
}
