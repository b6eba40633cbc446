/**
 * Measures of sharing, by the names of resctl-bench and isol-bench. A series has a row for each stretch
 * of time, with what each group got in it.
 */
export type Series = readonly (readonly number[])[];

/** The value below which `percent` of the values lie. Throws on an empty list. */
export function percentile(values: readonly number[], percent: number): number {
  if (values.length === 0) throw new Error('percentile of nothing');
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * percent) / 100))];
}

/** Shares in percent of what was got; zeros for nothing. */
export function sharesOf(got: readonly number[]): number[] {
  const sum = total(got);
  return got.map((one) => (sum === 0 ? 0 : (100 * one) / sum));
}

/** What each group got in all stretches together. */
export function sumOf(series: Series): number[] {
  const sums = (series[0] ?? []).map(() => 0);
  for (const row of series) for (const [group, got] of row.entries()) sums[group] += got;
  return sums;
}

/**
 * Isolation of each stretch, in percent: share got over share due, of the group for which that is least.
 * 100 is exact.
 *
 * @param due Weights, as parts of the whole.
 */
export function isolation(series: Series, due: readonly number[]): number[] {
  const wanted = sharesOf(due);
  return series.map((row) => {
    return 100 * Math.min(...sharesOf(row).map((share, group) => share / wanted[group]));
  });
}

/** Jain's index of what groups got for their weights: 1 if all have their share, 1 / n if one has all. */
export function jain(got: readonly number[], due: readonly number[]): number {
  const paid = got.map((one, group) => one / due[group]);
  const squares = total(paid.map((one) => one * one));
  return total(paid) ** 2 / (paid.length * squares);
}

/**
 * Index of the first stretch from which on isolation was at least `percent` for `stretches` in a row;
 * -1 if it never was.
 */
export function fairFrom(
  isolations: readonly number[],
  percent: number,
  stretches: number,
): number {
  let inRow = 0;
  for (const [at, one] of isolations.entries()) {
    inRow = one >= percent ? inRow + 1 : 0;
    if (inRow === stretches) return at - stretches + 1;
  }
  return -1;
}

function total(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}
