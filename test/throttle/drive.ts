import type { Throttle } from '../../src/throttle/throttle.js';

export const MS = 1e6;
export const SECOND = 1e9;
export const KIB = 1024;
export const MIB = 1024 * 1024;

/** All requests that may pass at `now`. */
export function takeAll(throttle: Throttle, now: number): number[] {
  const taken: number[] = [];
  for (let request = throttle.next(now); request !== -1; request = throttle.next(now)) {
    taken.push(request);
  }
  return taken;
}

/** Runs from one wake-up to the next until `end`; returns [time in ns, request] as they pass. */
export function runUntil(throttle: Throttle, start: number, end: number): [number, number][] {
  const gone: [number, number][] = [];
  let now = start;
  while (now <= end) {
    for (const request of takeAll(throttle, now)) gone.push([now, request]);
    now = throttle.wakeAt;
  }
  return gone;
}

/** Times in whole ms with requests, for literal comparisons. */
export function inMs(gone: [number, number][]): [number, number][] {
  return gone.map(([now, request]) => [Math.round(now / MS), request]);
}
