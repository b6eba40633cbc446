/** The middle value; the mean of the middle two for an even count. Throws on an empty list. */
export function median(values: readonly number[]): number {
  if (values.length === 0) throw new Error('median of nothing');
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** The value below which a part (0 to 1) of all lies, between the two nearest ones. Throws on an empty list. */
export function quantile(values: readonly number[], part: number): number {
  if (values.length === 0) throw new Error('quantile of nothing');
  const sorted = [...values].sort((a, b) => a - b);
  const at = part * (sorted.length - 1);
  const below = sorted[Math.floor(at)]!;
  return below + (at % 1) * (sorted[Math.ceil(at)]! - below);
}

/** A figure of many rounds: the median, the quartiles, and how far the median may be off (two standard errors). */
export interface Spread {
  median: number;
  quartiles: [low: number, high: number];
  error: number;
}

/** Throws on an empty list. */
export function spreadOf(values: readonly number[]): Spread {
  const [low, high] = [quantile(values, 0.25), quantile(values, 0.75)];
  // Of a normal distribution the quartiles lie 1.35 deviations apart, and a median varies 1.25 times as much as a mean.
  const error = (2 * 1.25 * (high - low)) / 1.35 / Math.sqrt(values.length);
  return { median: median(values), quartiles: [low, high], error };
}

/** Median and extremes of the rounds of one measurement. */
export interface Summary {
  median: number;
  min: number;
  max: number;
  rounds: number[];
}

/** Null when no round succeeded. */
export function summarize(rounds: number[]): Summary | null {
  if (rounds.length === 0) return null;
  return { median: median(rounds), min: Math.min(...rounds), max: Math.max(...rounds), rounds };
}

/** `items` rotated to begin at index `by`, so that each round of a run begins with another item. */
export function rotate<T>(items: readonly T[], by: number): T[] {
  const at = items.length === 0 ? 0 : by % items.length;
  return [...items.slice(at), ...items.slice(0, at)];
}
