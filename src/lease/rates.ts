/** One number for each key of RATES, in their order. A rate without a limit is not shared: NOT_SHARED. */
export type Rates = readonly number[];

export const NOT_SHARED = -1;

/** Rates that move between hosts are whole multiples of 1/1024: sums of them are exact, in any order. */
const STEPS = 1024;

/** The largest multiple of 1/1024 up to a rate, and one at least: a group is slow, never stuck. */
export function stepDown(rate: number): number {
  return Math.max(1, Math.floor(rate * STEPS)) / STEPS;
}

/** The rates that are not shared stay so; the others become `value` of their place. */
export function mapRates(of: Rates, value: (place: number) => number): Rates {
  return of.map((rate, place) => (rate === NOT_SHARED ? NOT_SHARED : value(place)));
}

/** The larger of two rates at each place. */
export function larger(one: Rates, other: Rates): Rates {
  return one.map((rate, place) => Math.max(rate, other[place]!));
}

/** Whether a rate of `one` is above that of `other`. */
export function exceeds(one: Rates, other: Rates): boolean {
  return one.some((rate, place) => rate > other[place]!);
}

/** How many hosts share a limit, as a host assumes before the store has told it the number. */
const HOSTS_UNKNOWN = 100;

/** The part of a limit that a host has before its first grant. Null: an equal part for each host. */
export function firstPart(safePart: number | null): number {
  return safePart ?? 1 / HOSTS_UNKNOWN;
}
