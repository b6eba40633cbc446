import { performance } from 'node:perf_hooks';

/** Monotonic time in nanoseconds. */
export function nowNs(): number {
  return performance.now() * 1e6;
}
