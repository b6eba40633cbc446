/**
 * Absolute limits of one group: the keys of `io.max`. Rates are per second; `Infinity` is written
 * `max` and means no limit. `bps` and `iops` bound reads and writes together.
 */
export interface Limits {
  rbps: number;
  wbps: number;
  bps: number;
  riops: number;
  wiops: number;
  iops: number;
  /** Bytes that count as one request for the iops limits; a larger request counts as several. 0: off. */
  iopsSize: number;
}

/** A group without limits. */
export const NO_LIMITS: Readonly<Limits> = {
  rbps: Infinity,
  wbps: Infinity,
  bps: Infinity,
  riops: Infinity,
  wiops: Infinity,
  iops: Infinity,
  iopsSize: 0,
};
