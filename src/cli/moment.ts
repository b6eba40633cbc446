import type { GroupSnapshot } from '../control/control.js';

export type Times = GroupSnapshot['times']['total'];

/** The span of these figures, and the time from one look at them to the next. */
export const SECOND_MS = 1000;

/** The stages of a request: it waits in groups, then the service below them takes its time. */
type Stage = 'wait' | 'service';

/** What completed in the last second, of all directions. */
const lastSecond = (times: Times) => Object.values(times).map(({ second }) => second);

/** Requests that completed in the last second. */
export function requestsOf(times: Times): number {
  return lastSecond(times).reduce((sum, { requests }) => sum + requests, 0);
}

/** The mean of the last second, microseconds; null without requests. */
export function meanOf(times: Times, stage: Stage): number | null {
  const all = requestsOf(times);
  const us = lastSecond(times).reduce((sum, one) => sum + one[stage].mean * one.requests, 0);
  return all === 0 ? null : us / all;
}

/**
 * The time that 99 of 100 requests of the last second did not exceed, microseconds, of the direction whose
 * requests took longest; null without requests.
 */
export function p99Of(times: Times, stage: Stage): number | null {
  if (requestsOf(times) === 0) return null;
  return Math.max(...lastSecond(times).map((one) => one[stage].p99));
}
