import { NOT_SHARED } from '../lease/rates.js';
import { type CostModel, costModel } from '../throttle/cost.js';
import { RATES, type RateKey } from '../throttle/limits.js';
import { DEFAULT_WEIGHT } from '../throttle/shares.js';
import type { LiveGroup, SecondTimes } from './live.js';
import { limitsInForce } from './sized-limits.js';

// What groups use of what they were given, in the last second that has ended.

/** The span of these figures, and the time from one look at them to the next. */
export const SECOND_MS = 1000;

/** The stages of a request: it waits in groups, then the service below them takes its time. */
export type Stage = 'wait' | 'service';

/** What completed in the last second, of all directions. */
const lastSecond = (times: SecondTimes) => Object.values(times).map(({ second }) => second);

/** Requests that completed in the last second. */
export function requestsOf(times: SecondTimes): number {
  const { read, write, discard } = times;
  return (
    (read?.second.requests ?? 0) + (write?.second.requests ?? 0) + (discard?.second.requests ?? 0)
  );
}

/** The mean of the last second, microseconds; null without requests. */
export function meanOf(times: SecondTimes, stage: Stage): number | null {
  const all = requestsOf(times);
  const us = lastSecond(times).reduce((sum, one) => sum + one[stage].mean * one.requests, 0);
  return all === 0 ? null : us / all;
}

/**
 * The time that 99 of 100 requests of the last second did not exceed, microseconds, of the direction whose
 * requests took longest; null without requests.
 */
export function p99Of(times: SecondTimes, stage: Stage): number | null {
  if (requestsOf(times) === 0) return null;
  return Math.max(...lastSecond(times).map((one) => one[stage].p99));
}

/** What completed in a second; writes include discards, as for limits. */
export interface Completed {
  reads: number;
  writes: number;
  /** Bytes. */
  read: number;
  written: number;
}

export function completedIn({ read, write, discard }: SecondTimes): Completed {
  return {
    reads: read?.second.requests ?? 0,
    writes: (write?.second.requests ?? 0) + (discard?.second.requests ?? 0),
    read: read?.second.bytes ?? 0,
    written: (write?.second.bytes ?? 0) + (discard?.second.bytes ?? 0),
  };
}

/** A limit of a group and its use, per second. */
export interface LimitUse {
  readonly key: RateKey;
  readonly rate: number;
  readonly limit: number;
}

/**
 * The limits that a group has, the one that is used most first. Of limits that hosts share they are what this
 * host has of them.
 */
export function limitUses({ settings, sized, shared, times }: LiveGroup): LimitUse[] {
  const { iopsSize, ...limits } = limitsInForce(settings.limits, sized);
  for (const [place, key] of RATES.entries()) {
    const granted = shared?.granted[place] ?? NOT_SHARED;
    if (granted !== NOT_SHARED) limits[key] = granted;
  }
  if (RATES.every((key) => limits[key] === Infinity)) return [];
  const done = completedIn(times.total);
  const units = (requests: number, bytes: number): number =>
    iopsSize === 0 ? requests : Math.max(requests, bytes / iopsSize);
  const rates: Record<RateKey, number> = {
    rbps: done.read,
    wbps: done.written,
    bps: done.read + done.written,
    riops: units(done.reads, done.read),
    wiops: units(done.writes, done.written),
    iops: units(done.reads, done.read) + units(done.writes, done.written),
  };
  const uses = RATES.map((key) => ({ key, rate: rates[key], limit: limits[key] }));
  return uses
    .filter(({ limit }) => limit !== Infinity)
    .sort((one, other) => other.rate / other.limit - one.rate / one.limit);
}

/** From this part of a limit on, the limit holds a group back, and not its weight. */
const HELD = 0.95;
/** Bytes. */
const LARGEST_REQUEST = 1024 * 1024;

/** Parts of 1 of what a group and its siblings had together. */
export interface Share {
  /** By the cost of what completed. */
  readonly got: number;
  /** By the weights of the siblings that had requests. */
  readonly asked: number;
}

/** One that competes with its siblings. */
interface Rival {
  /** Null: the members of the root group, which count as one group of the usual weight. */
  readonly path: string | null;
  readonly weight: number;
  readonly cost: number;
}

/**
 * The shares of the groups that had requests, by path. Groups that their own limit holds back do not compete by
 * weight, so they are left out. The root group has no siblings.
 */
export function sharesOf(groups: readonly LiveGroup[]): Map<string, Share> {
  const model = groups[0]?.mount?.cost ?? 'linear';
  const rivals = new Map<string, Rival[]>([['', rootMembers(groups, model)]]);
  const held = heldGroups(groups);
  for (const group of groups) {
    if (group.path === '' || !isBusy(group.times.total, group.total) || held.has(group.path))
      continue;
    const parent = parentOf(group.path);
    const { weight } = group.settings;
    const rival = { path: group.path, weight, cost: costOf(model, group.times.total) };
    const beside = rivals.get(parent);
    if (beside === undefined) rivals.set(parent, [rival]);
    else beside.push(rival);
  }
  return new Map([...rivals.values()].flatMap(sharesAmong));
}

/** The path of the group above; '' for the root group and what is right below it. */
export const parentOf = (path: string): string => path.slice(0, Math.max(0, path.lastIndexOf('/')));

/**
 * The limit of its own that holds a group back; null: none. Whether a request falls into this second or the next
 * one is chance, and of 10 a second it is a tenth: while requests wait, one more is counted.
 */
export function limitThatHolds(group: LiveGroup): LimitUse | null {
  const [most] = limitUses(group);
  if (most === undefined) return null;
  const more = group.total.queued === 0 ? 0 : amountOfOne(group, most);
  return most.rate + more >= HELD * most.limit ? most : null;
}

/** The mean of what a request of the last second took of a limit; the most that one can take if none completed. */
function amountOfOne({ settings, times }: LiveGroup, { key }: LimitUse): number {
  const count = requestsOf(times.total);
  const { read, written } = completedIn(times.total);
  const bytes = count === 0 ? LARGEST_REQUEST : (read + written) / count;
  if (key.endsWith('bps')) return bytes;
  const { iopsSize } = settings.limits;
  return iopsSize === 0 ? 1 : Math.max(1, bytes / iopsSize);
}

/** Groups that a limit of their own holds back, or that have requests only in such groups. */
function heldGroups(groups: readonly LiveGroup[]): Set<string> {
  const held = new Set<string>();
  const parents = new Set(groups.map(({ path }) => parentOf(path)));
  const withFree = new Set<string>();
  // From the leaves up: each group stands before those below it.
  for (const group of groups.toReversed()) {
    const isAtLimit = limitThatHolds(group) !== null;
    const isFree = !parents.has(group.path) || withFree.has(group.path);
    if (isAtLimit || !isFree) held.add(group.path);
    else if (isBusy(group.times.total, group.total)) withFree.add(parentOf(group.path));
  }
  return held;
}

function rootMembers(groups: readonly LiveGroup[], model: CostModel): Rival[] {
  const root = groups.find(({ path }) => path === '');
  if (root === undefined) return [];
  const times = root.times.members.map((one) => one.times);
  const isAnyBusy =
    times.some((one) => isBusy(one, { queued: 0, inflight: 0 })) ||
    root.members.some(({ figures }) => isBusy({}, figures));
  const cost = times.reduce((sum, one) => sum + costOf(model, one), 0);
  return isAnyBusy ? [{ path: null, weight: DEFAULT_WEIGHT, cost }] : [];
}

function isBusy(times: SecondTimes, figures: { queued: number; inflight: number }): boolean {
  const { reads, writes } = completedIn(times);
  return reads + writes + figures.queued + figures.inflight > 0;
}

function costOf(model: CostModel, times: SecondTimes): number {
  const { base, perByte } = costModel(model);
  const { reads, writes, read, written } = completedIn(times);
  return base * (reads + writes) + perByte * (read + written);
}

function sharesAmong(rivals: readonly Rival[]): [string, Share][] {
  const weights = rivals.reduce((sum, { weight }) => sum + weight, 0);
  const costs = rivals.reduce((sum, { cost }) => sum + cost, 0);
  return rivals.flatMap(({ path, weight, cost }): [string, Share][] =>
    path === null ? [] : [[path, { got: costs === 0 ? 0 : cost / costs, asked: weight / weights }]],
  );
}
