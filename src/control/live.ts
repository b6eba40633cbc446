import { readShared, type SharedFigures, type SharedJson } from '../lease/figures.js';
import type { Direction, Stats, Times } from '../throttle/figure-rows.js';
import type { SpanTimes, StageTimes } from '../throttle/latency-reader.js';
import type { RateKey } from '../throttle/limits.js';
import type { Pressure } from '../throttle/pressure.js';
import { type GroupSettings, type MountSettings, mergeChanges, newSettings } from './settings.js';
import { readSized, type Sized, type SizedJson, sizedJson } from './sized-limits.js';
import { formatWords, parseWords } from './text.js';

// What views show that look at a mount once a second. The socket sends it: of thousands of groups only those that
// have had requests of late, and names and settings only after they have changed.

/** What a live view shows of the requests of a second. */
interface LiveSecond extends Pick<SpanTimes, 'requests' | 'bytes'> {
  readonly wait: Pick<StageTimes, 'mean' | 'p99'>;
  readonly service: Pick<StageTimes, 'mean' | 'p99'>;
}

/** Times of the last second alone. */
export type SecondTimes = Partial<Record<Direction, { readonly second: LiveSecond }>>;

/** For how many seconds a group could keep up each of its bursts from now on. */
export type BurstsLeft = Partial<Record<RateKey, number>>;

type Mount = MountSettings & { window: number };

type LiveFigures = Pick<Stats, 'queued' | 'inflight'>;

/** A group as far as live views go; every snapshot is one. */
export interface LiveGroup {
  /** Below the root group, '' for it. */
  readonly path: string;
  readonly settings: GroupSettings;
  /** Of a group with limits that grow with its images. */
  readonly sized?: Sized;
  /** Of a group whose limits hosts share. */
  readonly shared?: SharedFigures;
  readonly pressure: Pressure;
  readonly members: readonly { readonly name: string; readonly figures: LiveFigures }[];
  readonly total: LiveFigures;
  readonly times: {
    readonly members: readonly { readonly name: string; readonly times: SecondTimes }[];
    readonly total: SecondTimes;
  };
  readonly mount?: Mount;
  readonly burstsLeft?: BurstsLeft;
}

interface Moving {
  figures: LiveFigures;
  times: SecondTimes;
}

/** A group that has something to show now. */
export interface BusyGroup extends Moving {
  path: string;
  pressure: Pressure;
  burstsLeft?: BurstsLeft;
  shared?: SharedJson;
  /** Those that have something to show. */
  members: (Moving & { name: string })[];
}

/** A group by its name, the words of `sluice set` that make its settings, and the names of its members. */
interface Named {
  path: string;
  settings: string[];
  members: string[];
  sized?: SizedJson;
}

/** The part of an answer to GET /v1/live that is about groups. */
export interface LiveAnswer {
  /** Changes with names and settings. */
  edition: string;
  /** All groups, each before those below it; null: the asker has this edition. */
  named: Named[] | null;
  busy: BusyGroup[];
  mount: Mount;
}

export const namedOf = (
  path: string,
  settings: GroupSettings,
  members: string[],
  sized: Sized | null,
): Named => {
  const own = { path: path || '/', settings: formatWords(settings), members };
  return sized === null ? own : { ...own, sized: sizedJson(sized) };
};

/** The last second of times. */
export function secondTimes(times: Times): SecondTimes {
  const stage = ({ mean, p99 }: StageTimes) => ({ mean, p99 });
  const there = Object.entries(times).filter(([, { second }]) => second.requests > 0);
  const made = there.map(([direction, { second }]) => {
    const { requests, bytes, wait, service } = second;
    return [direction, { second: { requests, bytes, wait: stage(wait), service: stage(service) } }];
  });
  return Object.fromEntries(made);
}

const NO_PRESSURE = { avg10: 0, avg60: 0, avg300: 0, totalUs: 0 };
const IDLE: Moving = { figures: { queued: 0, inflight: 0 }, times: {} };
const QUIET: Pressure = { some: NO_PRESSURE, full: NO_PRESSURE };

/** Whether requests wait, are in flight, or have completed in the last second. */
export const isMoving = ({ figures, times }: Moving): boolean =>
  figures.queued !== 0 || figures.inflight !== 0 || Object.keys(times).length > 0;

/** Averages that nobody would see. */
const LEAST_PERCENT = 0.05;

export const isQuiet = ({ some, full }: Pressure): boolean =>
  [some, full].every(({ avg10, avg60, avg300 }) => Math.max(avg10, avg60, avg300) < LEAST_PERCENT);

/** The groups of a mount, kept up by one answer after the other. */
export class LiveGroups {
  #edition = '';
  /** All groups without requests. */
  #idle: LiveGroup[] = [];
  #places = new Map<string, number>();

  /** The edition of names and settings that is here; '' at first. */
  get edition(): string {
    return this.#edition;
  }

  /** The groups as an answer tells them. Throws what `parseWords` does. */
  take({ edition, named, busy, mount }: LiveAnswer): LiveGroup[] {
    if (named !== null) {
      this.#idle = named.map(idleGroup);
      this.#places = new Map(named.map(({ path }, place) => [path, place]));
      this.#edition = edition;
    }
    const groups = this.#idle.slice();
    for (const group of busy) {
      const place = this.#places.get(group.path);
      if (place !== undefined) groups[place] = withFigures(groups[place]!, group);
    }
    if (groups.length > 0) groups[0] = { ...groups[0]!, mount };
    return groups;
  }
}

function idleGroup({ path, settings, members, sized }: Named): LiveGroup {
  const own = path === '/' ? '' : path;
  const changes = settings.length === 0 ? {} : parseWords(settings, own === '');
  return {
    path: own,
    settings: mergeChanges(newSettings(), changes) as GroupSettings,
    ...(sized === undefined ? {} : { sized: readSized(sized) }),
    pressure: QUIET,
    ...parts(
      members.map((name) => ({ name, ...IDLE })),
      IDLE,
    ),
  };
}

function withFigures(
  idle: LiveGroup,
  { pressure, burstsLeft, shared, members, ...own }: BusyGroup,
) {
  const moving = new Map(members.map((one) => [one.name, one]));
  const all = idle.members.map(({ name }) => moving.get(name) ?? { name, ...IDLE });
  return {
    ...idle,
    pressure,
    ...parts(all, own),
    ...(burstsLeft === undefined ? {} : { burstsLeft }),
    ...(shared === undefined ? {} : { shared: readShared(shared) }),
  };
}

function parts(members: readonly (Moving & { name: string })[], { figures, times }: Moving) {
  return {
    members: members.map((one) => ({ name: one.name, figures: one.figures })),
    total: figures,
    times: {
      members: members.map((one) => ({ name: one.name, times: one.times })),
      total: times,
    },
  };
}
