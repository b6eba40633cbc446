import { oneLine } from '../util/one-line.js';
import type { LiveGroup } from './live.js';
import { limitThatHolds, parentOf, type Share } from './usage.js';

const nameOf = ({ path }: Pick<LiveGroup, 'path'>): string => oneLine(path || '/');
const percent = (part: number): string => `${Math.round(100 * part)}%`;

/** A shorter mean wait is no wait, microseconds. */
const LEAST_WAIT_US = 1;

/**
 * Who held requests of a group back in the last second, as the end of a sentence: "gold waits for ...".
 *
 * @param queued Requests of the group, or of a member of it, that wait now.
 * @param waitUs The mean of those that completed; null without any.
 */
export function causeOf(
  group: LiveGroup,
  queued: number,
  waitUs: number | null,
  groups: readonly LiveGroup[],
  shares: ReadonlyMap<string, Share>,
): string {
  if (queued === 0 && (waitUs ?? 0) < LEAST_WAIT_US) return 'nothing';
  const above = groups.filter((one) => one.path === group.path || isBelow(group, one));
  const below = groups.filter((one) => isBelow(one, group) && one.total.queued > 0);
  for (const one of [...above, ...below]) {
    const limit = limitThatHolds(one);
    if (limit !== null) return `the limit ${limit.key} of ${nameOf(one)}`;
  }
  const rivals = groups.filter(({ path }) => {
    return path !== group.path && parentOf(path) === parentOf(group.path) && shares.has(path);
  });
  const gotOf = ({ path }: LiveGroup): number => shares.get(path)!.got;
  const [most] = rivals.sort((one, other) => gotOf(other) - gotOf(one));
  if (group.path === '' || most === undefined) return 'the disk';
  const { got, asked } = shares.get(most.path)!;
  const part = `${percent(got)}, by weight ${percent(asked)}`;
  return `its turn; of the others ${nameOf(most)} gets most: ${part}`;
}

const isBelow = (group: LiveGroup, above: LiveGroup): boolean =>
  group.path !== above.path && (above.path === '' || group.path.startsWith(`${above.path}/`));
