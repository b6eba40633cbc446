/** The middle value; the mean of the middle two for an even count. Throws on an empty list. */
export function median(values: readonly number[]): number {
  if (values.length === 0) throw new Error('median of nothing');
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
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
