// What the counters of several hosts say about a limit that they share. Pure.

/** How many requests each host had admitted, read at some time between `from` and `to`, ms. */
export interface Sample {
  from: number;
  to: number;
  /** By host. A host that is not there yet has none. */
  counts: readonly number[];
  /** Requests per second that each may pass. */
  granted: readonly number[];
}

const sum = (values: readonly number[]): number => values.reduce((all, one) => all + one, 0);

/**
 * The most requests that all hosts had beyond `rate` per second, in any stretch between two samples. The stretch
 * counts as long as it may have been, so a machine that is late makes this smaller, never larger.
 */
export function mostBeyond(samples: readonly Sample[], rate: number): number {
  let most = 0;
  let least = Infinity;
  for (const { from, to, counts } of samples) {
    const passed = sum(counts);
    most = Math.max(most, passed - (rate * to) / 1000 - least);
    least = Math.min(least, passed - (rate * from) / 1000);
  }
  return most;
}

/** Requests per second of each host from the first sample to the last. */
export function ratesOf(samples: readonly Sample[]): number[] {
  const [first, last] = [samples[0]!, samples.at(-1)!];
  const seconds = (last.to + last.from - first.to - first.from) / 2000;
  return last.counts.map((count, host) => (count - (first.counts[host] ?? 0)) / seconds);
}

/** The least rate of a host in any stretch of a second or a little more; Infinity if all samples span less. */
export function leastRate(samples: readonly Sample[], host: number): number {
  let least = Infinity;
  let at = 0;
  for (const end of samples) {
    while (end.from - samples[at + 1]!.to >= 1000) at++;
    const begin = samples[at]!;
    if (end.from - begin.to < 1000) continue;
    const passed = (end.counts[host] ?? 0) - (begin.counts[host] ?? 0);
    least = Math.min(least, (passed * 1000) / (end.to - begin.from));
  }
  return least;
}

/** The moment by which a host had a grant of `rate`; null: never. */
export function reaches(samples: readonly Sample[], host: number, rate: number): number | null {
  return samples.find(({ granted }) => granted[host]! >= rate)?.to ?? null;
}

/** The grants of all hosts together, the mean of all samples. */
export function grantsOf(samples: readonly Sample[]): number {
  return sum(samples.map(({ granted }) => sum(granted))) / samples.length;
}

/** The moment by which the count of a host had begun to grow, or had grown for the last time. */
export function edge(samples: readonly Sample[], host: number, which: 'first' | 'last'): number {
  const moves = samples.slice(1).filter(({ counts }, index) => {
    return counts[host] !== samples[index]!.counts[host];
  });
  const one = which === 'first' ? moves[0] : moves.at(-1);
  return one?.to ?? Number.NaN;
}
