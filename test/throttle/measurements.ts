import type { DepthMeter } from '../../src/throttle/depth-meter.js';

/** What a load does at a window. */
export interface Behaviour {
  readonly inflight: number;
  /** Part of the starts with partial backlog. */
  readonly partial?: number;
  /** Throughput; 1 is 20,000 requests a second. */
  readonly rate?: number;
}

/** Lets the meter complete one measurement of a load of two groups whose window is always full. */
export function measureAt(trial: { readonly meter: DepthMeter }, behaviour: Behaviour): void {
  const { inflight, partial = 0, rate = 1 } = behaviour;
  const { meter } = trial;
  let now = 1e9;
  meter.begin(now);
  for (let i = 0; i < 1e5; i++) {
    now += 50_000;
    meter.started((i * partial) % 1 > 1 - partial - 1e-9 && partial > 0);
    if (meter.completed(2 + 2 * (i % 2), rate, true, false, inflight, now)) return;
  }
  throw new Error('no measurement');
}
