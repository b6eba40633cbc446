import { causeOf } from '../control/cause.js';
import type { GroupState } from '../control/figures.js';
import type { SecondTimes } from '../control/live.js';
import { limitsInForce } from '../control/sized-limits.js';
import type { Stage } from '../control/usage.js';
import {
  completedIn,
  limitUses,
  meanOf,
  p99Of,
  requestsOf,
  type Share,
  sharesOf,
} from '../control/usage.js';
import type { RateKey } from '../throttle/limits.js';
import type { Caller } from './caller-names.js';

/** Groups and callers that the page gets at most: it is sent each second. */
const GROUPS_MAX = 200;
const CALLERS_MAX = 20;

/** A time of the last second, microseconds; null without requests. */
interface StageState {
  mean: number | null;
  p99: number | null;
}

/** A group on the page; figures are those of the last second. */
export interface PageGroup {
  /** `/` is the root group. */
  path: string;
  weight: number;
  /** The limits that it has, per second. */
  limits: Partial<Record<RateKey, number>>;
  /** The limit that is used most: its key, the limit and the use, per second. */
  limit: { key: string; limit: number; rate: number } | null;
  /** Parts of 1 of what it and its siblings had together; null where weights decide nothing. */
  share: Share | null;
  /** Bytes. */
  read: number;
  written: number;
  /** Requests. */
  reads: number;
  writes: number;
  queued: number;
  inflight: number;
  /** Percent of the last 10 s in which a request waited. */
  pressure: number;
  wait: StageState;
  service: StageState;
  /** Who holds its requests back: the end of "it waits for ...". */
  cause: string;
}

/** All that the page shows, sent each second. */
export interface PageState {
  /** ms since 1970. */
  time: number;
  version: string;
  mountpoint: string;
  images: string[];
  /** Whether a browser that has the token may change groups. */
  canWrite: boolean;
  groups: PageGroup[];
  /** Groups that are left out. */
  more: number;
  callers: Omit<Caller, 'cgroup'>[];
}

function stage(times: SecondTimes, which: Stage): StageState {
  return { mean: meanOf(times, which), p99: p99Of(times, which) };
}

function groupOf(
  group: GroupState,
  busy: readonly GroupState[],
  shares: ReadonlyMap<string, Share>,
): PageGroup {
  const { path, settings, total, pressure } = group;
  const times = group.times.total;
  const uses = limitUses(group);
  const inForce = limitsInForce(settings.limits, group.sized);
  return {
    path: path || '/',
    weight: settings.weight,
    limits: Object.fromEntries(uses.map(({ key }) => [key, inForce[key]])),
    limit: uses[0] ?? null,
    share: shares.get(path) ?? null,
    ...completedIn(times),
    queued: total.queued,
    inflight: total.inflight,
    pressure: pressure.some.avg10,
    wait: stage(times, 'wait'),
    service: stage(times, 'service'),
    cause: causeOf(group, total.queued, meanOf(times, 'wait'), busy, shares),
  };
}

/** What the page shows of this moment. */
export function pageState(
  about: Pick<PageState, 'version' | 'mountpoint' | 'images' | 'canWrite'>,
  groups: readonly GroupState[],
  callers: readonly Caller[],
): PageState {
  const shares = sharesOf(groups);
  // The others hold nobody back.
  const busy = groups.filter(({ total, times }) => total.queued > 0 || requestsOf(times.total) > 0);
  return {
    time: Date.now(),
    ...about,
    groups: groups.slice(0, GROUPS_MAX).map((group) => groupOf(group, busy, shares)),
    more: Math.max(0, groups.length - GROUPS_MAX),
    callers: callers.slice(0, CALLERS_MAX).map(({ cgroup: _, ...caller }) => caller),
  };
}
