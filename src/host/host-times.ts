import type { BigIntStats } from 'node:fs';

/** A time as struct timespec has it: whole seconds since 1970, rounded down, and the rest. */
export interface Timespec {
  seconds: number;
  nanoseconds: number;
}

/** Times of a host file: the last read that was noted, the last write, the last change at all. */
export interface HostTimes {
  accessed: Timespec;
  modified: Timespec;
  changed: Timespec;
}

const EPOCH: Timespec = { seconds: 0, nanoseconds: 0 };
/** Times of a file that has not been asked yet. */
export const NO_TIMES: HostTimes = { accessed: EPOCH, modified: EPOCH, changed: EPOCH };

const SECOND = 1_000_000_000n;

/** The times in `stats`, exact: as milliseconds in a number they are off by some 100 ns. */
export function timesOf(stats: BigIntStats): HostTimes {
  return {
    accessed: timespec(stats.atimeNs),
    modified: timespec(stats.mtimeNs),
    changed: timespec(stats.ctimeNs),
  };
}

function timespec(ns: bigint): Timespec {
  const nanoseconds = ((ns % SECOND) + SECOND) % SECOND;
  return { seconds: Number((ns - nanoseconds) / SECOND), nanoseconds: Number(nanoseconds) };
}
