import type { GroupSettings } from '../control/settings.js';
import type { Sized } from '../control/sized-limits.js';
import { formatFile, readPairs } from '../control/text.js';
import { RATES } from '../throttle/limits.js';

// `io.per_gb`: its text, and how `sluice stat` reads the line back that nobody writes.

/** Before the keys of limits in force: the words of a file have different keys. */
const NOW = 'now.';

/** A line of what is set; where something is, another one of what it comes to: `bytes=10737418240 now.iops=500`. */
export function formatPerGb(settings: GroupSettings, sized: Sized | null): string {
  const stated = formatFile('io.per_gb', settings);
  if (sized === null) return stated;
  const words = Object.entries(sized.limits).map(([key, rate]) => {
    return `${NOW}${key}=${rate === Infinity ? 'max' : rate}`;
  });
  return `${stated}\nbytes=${sized.bytes} ${words.join(' ')}`;
}

/** Undefined: no limit grows. */
export function parseSized(text: string): Sized | undefined {
  const pairs = readPairs(text);
  const bytes = pairs.get('bytes');
  if (bytes === undefined) return undefined;
  const entries = RATES.flatMap((key) => {
    const value = pairs.get(NOW + key);
    return value === undefined ? [] : [[key, value === 'max' ? Infinity : Number(value)]];
  });
  return { bytes: Number(bytes), limits: Object.fromEntries(entries) };
}
