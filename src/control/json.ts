import { readShared, type SharedJson, sharedJson } from '../lease/figures.js';
import type { Stats, Times } from '../throttle/figure-rows.js';
import type { SpanTimes, StageTimes } from '../throttle/latency-reader.js';
import { type Limits, ofAllRates } from '../throttle/limits.js';
import type { PressureFigures } from '../throttle/pressure.js';
import type { GroupSnapshot } from './control.js';
import { type MemberChange, memberText } from './members.js';
import { escapeName } from './names.js';
import {
  type Changes,
  type GroupSettings,
  getValue,
  type MountSettings,
  SETTINGS,
} from './settings.js';
import { type PerGbs, readSized, type SizedJson, sizedJson } from './sized-limits.js';
import { parseWords } from './text.js';
import { NS_PER_US } from './values.js';

// Groups as JSON, and back: what `sluice stat --json` prints and the socket speaks. The manual describes it.

/** Figures of a member or of a group. */
export interface FiguresJson extends Omit<Stats, 'waitNs'> {
  waitUsec: number;
}

/** Times of the requests of one direction in a span; microseconds. */
export interface SpanJson {
  requests: number;
  bytes: number;
  waitUsec: StageTimes;
  serviceUsec: StageTimes;
}

/** By direction (`read`, `write`, `discard`) and span (`second`, `minute`, `mount`). */
export type TimesJson = Record<string, Record<string, SpanJson>>;

/** Percent of time over the last 10, 60 and 300 s. */
export interface PressureJson {
  avg10: number;
  avg60: number;
  avg300: number;
  totalUsec: number;
}

/** A group. */
export interface GroupJson {
  /** `/` is the root group. */
  path: string;
  /** Per second; null: no limit. `iopsSize` in bytes. */
  limits: Record<keyof Limits, number | null>;
  /** For each GiB of its images, and at least. Null: the limit does not grow. */
  perGb: PerGbs;
  bursts: GroupSettings['bursts'];
  weight: number;
  minimum: GroupSettings['minimum'];
  /** Null: no target. */
  latencyUsec: number | null;
  pressure: { some: PressureJson; full: PressureJson };
  /** Of the root group only. */
  depth?: { mode: 'auto' | number; window: number };
  /** Of the root group only. */
  cost?: MountSettings['cost'];
  /** Of a group with limits that grow: what they have come to. */
  sized?: SizedJson;
  /** Of a group whose limits hosts share. */
  shared?: SharedJson;
  /** Of a group with bursts, by their keys: for how many seconds it could keep each up from now on. */
  burstsLeft?: NonNullable<GroupSnapshot['burstsLeft']>;
  members: { name: string; figures: FiguresJson; times: TimesJson }[];
  total: FiguresJson;
  times: TimesJson;
}

/** JSON has no Infinity. */
const finite = (value: number): number | null => (value === Infinity ? null : value);
const infinite = (value: number | null): number => value ?? Infinity;

function figuresJson({ waitNs, queued, inflight, ...moved }: Stats): FiguresJson {
  return { ...moved, waitUsec: Math.round(waitNs / NS_PER_US), queued, inflight };
}

function readFigures({ waitUsec, ...figures }: FiguresJson): Stats {
  return { ...figures, waitNs: waitUsec * NS_PER_US };
}

/** The same for each direction and span. */
function ofSpans<From, To>(
  times: Readonly<Record<string, Readonly<Record<string, From>>>>,
  make: (span: From) => To,
): Record<string, Record<string, To>> {
  const directions = Object.entries(times).map(([direction, spans]) => {
    const entries = Object.entries(spans).map(([span, one]) => [span, make(one)]);
    return [direction, Object.fromEntries(entries)];
  });
  return Object.fromEntries(directions);
}

/** Times by direction, with keys as `io.times` has them. */
function timesJson(times: Times): TimesJson {
  return ofSpans(times, ({ requests, bytes, wait, service }: SpanTimes) => {
    return { requests, bytes, waitUsec: wait, serviceUsec: service };
  });
}

function readTimes(times: TimesJson): Times {
  return ofSpans(times, ({ requests, bytes, waitUsec: wait, serviceUsec: service }) => {
    return { requests, bytes, wait, service };
  });
}

function pressureJson({ totalUs, ...averages }: PressureFigures): PressureJson {
  return { ...averages, totalUsec: totalUs };
}

function readPressure({ totalUsec, ...averages }: PressureJson): PressureFigures {
  return { ...averages, totalUs: totalUsec };
}

function mountJson({ depth, window, cost }: NonNullable<GroupSnapshot['mount']>) {
  return { depth: { mode: depth, window }, cost };
}

/** The members of a group with their figures and times, in the order of the group. */
export function membersOf<Figures, Times extends object>(group: {
  readonly members: readonly { readonly name: string; readonly figures: Figures }[];
  readonly times: {
    readonly members: readonly { readonly name: string; readonly times: Times }[];
  };
}): { name: string; figures: Figures; times: Times | Record<string, never> }[] {
  const { members } = group.times;
  // As a rule both have the same order.
  const isSame = group.members.every(({ name }, place) => members[place]?.name === name);
  if (isSame) return group.members.map((one, place) => ({ ...one, times: members[place]!.times }));
  const times = new Map(members.map((one) => [one.name, one.times]));
  return group.members.map((one) => ({ ...one, times: times.get(one.name) ?? {} }));
}

export function groupJson(group: GroupSnapshot): GroupJson {
  const { limits, perGb, bursts, weight, minimum, latencyTarget } = group.settings;
  const { iopsSize, ...rates } = limits;
  const rateEntries = Object.entries(rates).map(([key, rate]) => [key, finite(rate)]);
  return {
    path: group.path || '/',
    limits: { ...Object.fromEntries(rateEntries), iopsSize: iopsSize === 0 ? null : iopsSize },
    perGb,
    bursts,
    weight,
    minimum,
    latencyUsec: finite(latencyTarget / NS_PER_US),
    pressure: { some: pressureJson(group.pressure.some), full: pressureJson(group.pressure.full) },
    ...(group.mount === undefined ? {} : mountJson(group.mount)),
    ...(group.sized === undefined ? {} : { sized: sizedJson(group.sized) }),
    ...(group.shared === undefined ? {} : { shared: sharedJson(group.shared) }),
    ...(group.burstsLeft === undefined ? {} : { burstsLeft: group.burstsLeft }),
    members: membersOf(group).map(({ name, figures, times }) => {
      return { name, figures: figuresJson(figures), times: timesJson(times) };
    }),
    total: figuresJson(group.total),
    times: timesJson(group.times.total),
  };
}

export function readGroup(group: GroupJson): GroupSnapshot {
  const { iopsSize, ...rates } = group.limits;
  const rateEntries = Object.entries(rates).map(([key, rate]) => [key, infinite(rate)]);
  const { perGb = ofAllRates(null), bursts, weight, minimum, depth, cost } = group;
  return {
    path: group.path === '/' ? '' : group.path,
    settings: {
      limits: { ...Object.fromEntries(rateEntries), iopsSize: iopsSize ?? 0 },
      ...{ perGb, bursts, weight, minimum },
      latencyTarget: infinite(group.latencyUsec) * NS_PER_US,
    },
    pressure: { some: readPressure(group.pressure.some), full: readPressure(group.pressure.full) },
    ...(depth !== undefined &&
      cost !== undefined && { mount: { depth: depth.mode, window: depth.window, cost } }),
    ...(group.sized === undefined ? {} : { sized: readSized(group.sized) }),
    ...(group.shared === undefined ? {} : { shared: readShared(group.shared) }),
    ...(group.burstsLeft === undefined ? {} : { burstsLeft: group.burstsLeft }),
    members: group.members.map(({ name, figures }) => ({ name, figures: readFigures(figures) })),
    total: readFigures(group.total),
    times: {
      members: group.members.map(({ name, times }) => ({ name, times: readTimes(times) })),
      total: readTimes(group.times),
    },
  };
}

/** Settings by the words of `sluice set`; of `member` there may be several. */
export type SettingsJson = Record<string, string | number | readonly string[]>;

/** Changes as JSON; members have their names as they are, without escapes. */
export function settingsJson(changes: Changes): SettingsJson {
  const there = SETTINGS.filter((setting) => getValue(changes, setting) !== undefined);
  const entries = there.map((setting) => {
    const value = getValue(changes, setting);
    if (setting.part !== 'members') return [setting.key, plain(setting.type.format(value))];
    const members = (value as MemberChange[]).map(({ member, remove }) => {
      return `${remove ? '-' : ''}${memberText(member)}`;
    });
    return [setting.key, members];
  });
  return Object.fromEntries(entries);
}

/** A number as one, so that files and programs have no quotes around it. None is above 10^15. */
const plain = (text: string): string | number => (/^[0-9]+$/.test(text) ? Number(text) : text);

/** @throws SluiceError EINVAL, ERANGE; exit code 2 */
export function parseSettings(settings: SettingsJson, isRoot: boolean): Changes {
  const words = Object.entries(settings).flatMap(([key, value]) => {
    if (!Array.isArray(value))
      return [`${key}=${key === 'member' ? escapeName(String(value)) : value}`];
    return value.map((one) => `${key}=${escapeName(one)}`);
  });
  return words.length === 0 ? {} : parseWords(words, isRoot);
}
