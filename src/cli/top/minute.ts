import { membersOf } from '../../control/json.js';
import type { LiveGroup } from '../../control/live.js';
import { requestsOf } from '../../control/usage.js';

const SECONDS = 60;

/** Requests a second of each row that had any in the last minute, the newest last. */
export type Minute = ReadonlyMap<string, readonly number[]>;

/** A key of a row: a group, or a member of it. */
export const rowKey = (path: string, member: string | null): string =>
  member === null ? `/${path}` : `/${path}\n${member}`;

/** The minute that ends with these figures. Rows that are gone are left out. */
export function nextMinute(before: Minute, groups: readonly LiveGroup[]): Minute {
  const next = new Map<string, readonly number[]>();
  const add = (key: string, value: number): void => {
    const old = before.get(key);
    if (old === undefined) {
      if (value > 0) next.set(key, [value]);
      return;
    }
    const values = [...old.slice(old.length >= SECONDS ? 1 : 0), value];
    if (value > 0 || values.some((one) => one > 0)) next.set(key, values);
  };
  for (const group of groups) {
    add(rowKey(group.path, null), requestsOf(group.times.total));
    for (const { name, times } of membersOf(group)) {
      add(rowKey(group.path, name), requestsOf(times));
    }
  }
  return next;
}
