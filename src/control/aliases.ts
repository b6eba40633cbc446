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

/** Of a burst (libvirt), and of a limit that grows with the image (Cinder): one key of two names each. */
const ENDINGS = ['_max', '_max_length', '_per_gb', '_per_gb_min'] as const;

/** The names that stand for keys of `sluice set`. */
export const ALIASES: readonly string[] = [
  ...RATES.flatMap((rate) => ['', ...ENDINGS].map((ending) => NAMES[rate] + ending)),
  SIZE,
];

/** One of two names that together are one key. */
export function isPartOfKey(key: string): boolean {
  return ALIASES.includes(key) && ENDINGS.some((ending) => key.endsWith(ending));
}

/** 0 is no limit there. */
const limitOf = (value: string): string => (value === '0' ? 'max' : value);

/**
 * Puts keys of `sluice set` in the places of the names of libvirt and Cinder. `X_max` and `X_max_length`
 * become one burst, `X_per_gb` and `X_per_gb_min` one limit that grows.
 *
 * @throws SluiceError EINVAL, exit code 2: a length or a minimum without its rate, a name given twice
 */
export function withoutAliases(pairs: readonly Pair[]): Pair[] {
  const others = pairs.filter(({ key }) => !isPartOfKey(key));
  const simple = others.map((pair): Pair => {
    const rate = RATES.find((one) => NAMES[one] === pair.key);
    const key = pair.key === SIZE ? 'iops_size' : rate;
    return key === undefined ? pair : { word: pair.word, key, value: limitOf(pair.value) };
  });
  return [
    ...simple,
    ...RATES.flatMap((rate) => [...burstOf(rate, pairs), ...perGbOf(rate, pairs)]),
  ];
}

function burstOf(rate: (typeof RATES)[number], pairs: readonly Pair[]): Pair[] {
  const name = NAMES[rate];
  const [most, length] = both(pairs, `${name}_max`, `${name}_max_length`, 'the rate of the burst');
  if (most === undefined) return [];
  const limit = limitOf(most.value);
  const seconds = length?.value ?? BURST_SECONDS;
  const value = limit === 'max' ? limit : `${limit}/${seconds}`;
  return [{ word: wordOf(most, length), key: `burst.${rate}`, value }];
}

function perGbOf(rate: (typeof RATES)[number], pairs: readonly Pair[]): Pair[] {
  const name = NAMES[rate];
  const [each, least] = both(
    pairs,
    `${name}_per_gb`,
    `${name}_per_gb_min`,
    'the rate for each GiB',
  );
  if (each === undefined) return [];
  const word = wordOf(each, least);
  const limit = limitOf(each.value);
  const hasMinimum = least !== undefined && least.value !== '0';
  if (limit === 'max' && hasMinimum) {
    throw refuse(`${word}: a limit that does not grow is ${name}=${least.value}`);
  }
  const value = hasMinimum ? `${limit}/${least.value}` : limit;
  return [{ word, key: `per_gb.${rate}`, value }];
}

/** Two names that are one key. Throws EINVAL for one that is given twice, and for the second without the first. */
function both(pairs: readonly Pair[], first: string, second: string, what: string) {
  const [one, other] = [first, second].map((key) => {
    const [pair, twice] = pairs.filter((each) => each.key === key);
    if (twice !== undefined) throw refuse(`${twice.word}: ${key} is given twice`);
    return pair;
  });
  if (one === undefined && other !== undefined) {
    throw refuse(`${other.word}: goes with ${first}, ${what}`);
  }
  return [one, other] as const;
}

const wordOf = (one: Pair, other: Pair | undefined): string =>
  other === undefined ? one.word : `${one.word} ${other.word}`;
