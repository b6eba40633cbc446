import type { ImageSnapshot } from '../../control/control.js';
import { membersOf } from '../../control/json.js';
import type { LiveGroup, SecondTimes } from '../../control/live.js';
import { parentOf, requestsOf, type Share, sharesOf } from '../../control/usage.js';
import type { CallerRow } from './callers.js';
import { type Minute, rowKey } from './minute.js';
import type { Order, State } from './state.js';

/** All that is shown of a mount at one moment. */
export interface Sight {
  readonly mountpoint: string;
  readonly version: string;
  readonly transport: string;
  /** The time of the day, as people have it. */
  readonly clock: string;
  /** Each group before those below it. */
  readonly groups: readonly LiveGroup[];
  readonly images: readonly ImageSnapshot[];
  readonly shares: ReadonlyMap<string, Share>;
  readonly minute: Minute;
  /** Null: they have not been asked for; a text says why there are none. */
  readonly callers: readonly CallerRow[] | string | null;
}

/** The sight of a mount whose groups have just been read. */
export function sightOf(
  about: Pick<Sight, 'mountpoint' | 'version' | 'transport' | 'clock' | 'minute' | 'callers'>,
  groups: readonly LiveGroup[],
  images: readonly ImageSnapshot[],
): Sight {
  return { ...about, groups, images, shares: sharesOf(groups) };
}

/** A group, or a member of it. */
export interface Row {
  readonly key: string;
  readonly group: LiveGroup;
  /** Null: the row is the group's. */
  readonly member: string | null;
  readonly name: string;
  readonly depth: number;
  readonly times: SecondTimes;
  readonly figures: LiveGroup['total'];
  /** Whether there are rows below it, shown or not. */
  readonly isParent: boolean;
}

/** What a row is sorted by; the largest is first. Null: as the groups were made. */
const SORTED_BY: Readonly<Record<Order, ((row: Row) => number) | null>> = {
  tree: null,
  requests: ({ times }) => requestsOf(times),
  bytes: ({ times }) => Object.values(times).reduce((sum, { second }) => sum + second.bytes, 0),
  queued: ({ figures }) => figures.queued,
  pressure: ({ group }) => group.pressure.some.avg10,
};

type Wanted = Pick<State, 'order' | 'folded' | 'filter' | 'showsMembers'>;

/**
 * The rows that are shown, those below a group right after it. A filter leaves those whose name has the text,
 * and the groups above them.
 */
export function rowsOf({ groups }: Pick<Sight, 'groups'>, wanted: Wanted): Row[] {
  const below = new Map<string, LiveGroup[]>();
  for (const group of groups) {
    if (group.path === '') continue;
    const parent = parentOf(group.path);
    const list = below.get(parent);
    if (list === undefined) below.set(parent, [group]);
    else list.push(group);
  }
  const root = groups.find(({ path }) => path === '');
  return root === undefined ? [] : rowsBelow(root, 0, below, wanted);
}

function rowsBelow(
  group: LiveGroup,
  depth: number,
  below: ReadonlyMap<string, readonly LiveGroup[]>,
  wanted: Wanted,
): Row[] {
  const { filter, folded, showsMembers } = wanted;
  const members = showsMembers ? membersOf(group) : [];
  const children = below.get(group.path) ?? [];
  const own: Row = {
    key: rowKey(group.path, null),
    group,
    member: null,
    name: group.path.slice(group.path.lastIndexOf('/') + 1) || '/',
    depth,
    times: group.times.total,
    figures: group.total,
    isParent: members.length + children.length > 0,
  };
  const memberRows = members
    .map(({ name, figures, times }): Row => {
      const key = rowKey(group.path, name);
      return { key, group, member: name, name, depth: depth + 1, times, figures, isParent: false };
    })
    .filter((row) => matches(row, filter));
  const trees = children.map((child) => rowsBelow(child, depth + 1, below, wanted));
  const rows = sorted([...memberRows.map((row) => [row]), ...trees], wanted.order).flat();
  if (rows.length === 0 && depth > 0 && !matches(own, filter)) return [];
  return folded.has(own.key) && filter === '' ? [own] : [own, ...rows];
}

function matches({ name }: Row, filter: string): boolean {
  return filter === '' || name.toLowerCase().includes(filter.toLowerCase());
}

/** Sorts trees, each of which begins with its row. */
function sorted(trees: readonly Row[][], order: Order): Row[][] {
  const by = SORTED_BY[order];
  const some = trees.filter((tree) => tree.length > 0);
  if (by === null) return some;
  const valued = some.map((tree) => ({ tree, value: by(tree[0]!) }));
  return valued.sort((one, other) => other.value - one.value).map(({ tree }) => tree);
}
