import { type Burst, type Bursts, MAX_BURST_SECONDS, RATES } from '../throttle/bursts.js';
import { MAX_RATE } from '../throttle/check-limits.js';
import { parseCount, parseSize } from '../util/units.js';
import { inWord, parsePairs, refuse } from './parse-pairs.js';

const EXPECTED = 'RATE/SECONDS such as bps=400M/10 or iops=4000/5, or max for no burst';

/**
 * `io.burst`: any of the rates of `io.max` as RATE/SECONDS, `max` where there is none. Seconds may
 * have a decimal part. Whether it fits the plain limit is the throttle's to say.
 *
 * @throws SluiceError EINVAL, ERANGE (rate above 10^15, seconds above an hour); exit code 2.
 */
export function parseBursts(text: string): Partial<Bursts> {
  const bursts: Partial<Bursts> = {};
  for (const [key, value] of parsePairs(text, RATES)) {
    bursts[key as keyof Bursts] = parseBurst(`${key}=${value}`, value, !key.endsWith('iops'));
  }
  return bursts;
}

function parseBurst(word: string, value: string, bytes: boolean): Burst | null {
  if (value === 'max') return null;
  const [, rateText, secondsText] = /^(.+)\/([0-9]{1,9}(?:\.[0-9]{1,9})?)$/.exec(value) ?? [];
  if (rateText === undefined) throw refuse(`${word}: expected ${EXPECTED}`);
  const rate = inWord(word, EXPECTED, () => (bytes ? parseSize(rateText) : parseCount(rateText)));
  const seconds = Number(secondsText);
  if (rate === 0 || seconds === 0) throw refuse(`${word}: expected ${EXPECTED}`);
  if (rate > MAX_RATE) throw refuse(`${word}: above the largest rate, 10^15`, 'ERANGE');
  if (seconds > MAX_BURST_SECONDS) {
    throw refuse(`${word}: longer than ${MAX_BURST_SECONDS} seconds`, 'ERANGE');
  }
  return { rate, seconds };
}

/** The line of `io.burst`: `rbps=max ... bps=419430400/10 ...`. */
export function formatBursts(bursts: Bursts): string {
  const words = RATES.map((key) => {
    const burst = bursts[key];
    return `${key}=${burst === null ? 'max' : `${burst.rate}/${burst.seconds}`}`;
  });
  return words.join(' ');
}
