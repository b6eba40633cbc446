import { RATES } from '../throttle/limits.js';
import { refuse } from '../util/errors.js';

/** A word KEY=VALUE of a user, for errors, and its parts. */
export interface Pair {
  readonly word: string;
  readonly key: string;
  readonly value: string;
}

/** The rates by the names that they have in libvirt (`<iotune>`), in the QoS specs of Cinder, and in Nova. */
const NAMES: Readonly<Record<(typeof RATES)[number], string>> = {
  rbps: 'read_bytes_sec',
  wbps: 'write_bytes_sec',
  bps: 'total_bytes_sec',
  riops: 'read_iops_sec',
  wiops: 'write_iops_sec',
  iops: 'total_iops_sec',
};

const SIZE = 'size_iops_sec';

/** QEMU's own: how long a burst lasts if nobody says. Seconds. */
const BURST_SECONDS = '1';

/** The names that stand for keys of `sluice set`. */
export const ALIASES: readonly string[] = [
  ...RATES.flatMap((rate) => [NAMES[rate], `${NAMES[rate]}_max`, `${NAMES[rate]}_max_length`]),
  SIZE,
];

/** One of two names that together are one key. */
export function isPartOfBurst(key: string): boolean {
  return ALIASES.includes(key) && /_max(_length)?$/.test(key);
}

/** 0 is no limit there. */
const limitOf = (value: string): string => (value === '0' ? 'max' : value);

/**
 * Puts keys of `sluice set` in the places of the names of libvirt and Cinder. `X_max` and `X_max_length` become one burst.
 *
 * @throws SluiceError EINVAL, exit code 2: a length without its rate, a name given twice
 */
export function withoutAliases(pairs: readonly Pair[]): Pair[] {
  const others = pairs.filter(({ key }) => !isPartOfBurst(key));
  const simple = others.map((pair): Pair => {
    const rate = RATES.find((one) => NAMES[one] === pair.key);
    const key = pair.key === SIZE ? 'iops_size' : rate;
    return key === undefined ? pair : { word: pair.word, key, value: limitOf(pair.value) };
  });
  return [...simple, ...RATES.flatMap((rate) => burstOf(rate, pairs))];
}

function burstOf(rate: (typeof RATES)[number], pairs: readonly Pair[]): Pair[] {
  const name = NAMES[rate];
  const [most, length] = [`${name}_max`, `${name}_max_length`].map((key) => {
    const [pair, twice] = pairs.filter((one) => one.key === key);
    if (twice !== undefined) throw refuse(`${twice.word}: ${key} is given twice`);
    return pair;
  });
  if (most === undefined) {
    if (length === undefined) return [];
    throw refuse(`${length.word}: goes with ${name}_max, the rate of the burst`);
  }
  const limit = limitOf(most.value);
  const seconds = length?.value ?? BURST_SECONDS;
  const value = limit === 'max' ? limit : `${limit}/${seconds}`;
  const words = [most.word, ...(length === undefined ? [] : [length.word])];
  return [{ word: words.join(' '), key: `burst.${rate}`, value }];
}
