import type { constants } from 'node:os';
import { refuse } from '../util/errors.js';
import { didYouMean } from '../util/nearest.js';
import { NS_PER_US, US_PER_UNIT } from './values.js';

// Faults that a user wants an image to have, to see what a program makes of a broken or a slow disk.

/** The requests that faults are told apart for. */
export const FAULTY = ['read', 'write', 'discard', 'flush'] as const;
export type Faulty = (typeof FAULTY)[number];

/** The faults of requests of one kind. */
export interface Fault {
  /** The part of the requests that fail, 0 to 1. */
  error: number;
  /** The name of the error that they get. */
  errno: string;
  /** How much longer each request takes, ns. */
  delayNs: number;
}

/** The faults of an image. Plain data. */
export interface Faults extends Record<Faulty, Fault> {
  /** Where the generator begins that chooses the requests; null: anywhere. */
  seed: number | null;
}

/** The faults of an image as they are shown. */
export interface FaultsSnapshot {
  /** As `parseFaults` takes them, with the seed. */
  words: string;
  /** Requests that have failed by them, and that were delayed. */
  failed: number;
  delayed: number;
}

/** What stands for no faults. */
export const NO_FAULTS = 'off';

const EXAMPLE = 'read.error=1%';
const FIELDS = ['error', 'errno', 'delay'] as const;
type Field = (typeof FIELDS)[number];
export const FAULT_KEYS: readonly string[] = [
  ...FIELDS,
  ...FAULTY.flatMap((kind) => FIELDS.map((field) => `${kind}.${field}`)),
  'seed',
];

/** Errors that a disk, its file system or its network can give. Others would mean something else to the kernel. */
export const FAULT_ERRNOS: readonly (keyof typeof constants.errno)[] = [
  ...(['EIO', 'ENOSPC', 'EDQUOT', 'EROFS', 'ENOMEM', 'ENXIO', 'ENODEV', 'EPERM'] as const),
  ...(['EACCES', 'EBADMSG', 'EFBIG', 'ETIMEDOUT', 'ENOLINK'] as const),
];

/** A minute: a request that takes longer is no slow request but a lost one. */
const DELAY_MAX_US = 60_000_000;
const DELAY = 'a time with its unit such as 20ms, 500us or 1.5s, at most 60s, or 0';
const SEED_MAX = 2 ** 32 - 1;

/**
 * Parses `read.error=1%,write.delay=20ms`, or `off`. A key without a kind, such as `error=1%`, is for all requests, and
 * gives way to one with a kind.
 *
 * @returns null: no request fails or is delayed
 * @throws SluiceError EINVAL, ERANGE; exit code 2
 */
export function parseFaults(text: string): Faults | null {
  if (text === NO_FAULTS) return null;
  const pairs = pairsOf(text);
  const of = <Value>(
    key: string,
    parse: (value: string, word: string) => Value,
    none: Value,
  ): Value => {
    const value = pairs.get(key);
    return value === undefined ? none : parse(value, `${key}=${value}`);
  };
  const faultOf = (kind: Faulty): Fault => ({
    error: of(`${kind}.error`, parsePart, of('error', parsePart, 0)),
    errno: of(`${kind}.errno`, parseErrno, of('errno', parseErrno, 'EIO')),
    delayNs: of(`${kind}.delay`, parseDelay, of('delay', parseDelay, 0)),
  });
  const faults: Faults = {
    read: faultOf('read'),
    write: faultOf('write'),
    discard: faultOf('discard'),
    flush: faultOf('flush'),
    seed: of<number | null>('seed', parseSeed, null),
  };
  checkUseful(pairs, faults);
  return FAULTY.some((kind) => faults[kind].error > 0 || faults[kind].delayNs > 0) ? faults : null;
}

/** Refuses the name of an error that nobody would get: who writes it thinks that requests fail. */
function checkUseful(pairs: ReadonlyMap<string, string>, faults: Faults): void {
  const failing = FAULTY.filter((kind) => faults[kind].error > 0);
  for (const kind of FAULTY) {
    const errno = pairs.get(`${kind}.errno`);
    if (errno === undefined || failing.includes(kind)) continue;
    throw refuse(`${kind}.errno=${errno}: no ${kind} fails; add ${kind}.error=1%`);
  }
  const errno = pairs.get('errno');
  if (errno !== undefined && failing.length === 0) {
    throw refuse(`errno=${errno}: no request fails; add error=1%`);
  }
  const isEmpty = [...pairs.keys()].every((key) => key === 'seed');
  if (isEmpty) throw refuse(`seed=${pairs.get('seed')}: no request fails; add error=1%`);
}

function pairsOf(text: string): Map<string, string> {
  const pairs = new Map<string, string>();
  for (const word of text.split(',')) {
    const [, key, value] = /^([^=]*)=(.*)$/s.exec(word) ?? [];
    if (key === undefined || value === undefined) {
      const given = word === '' ? '""' : word;
      throw refuse(`${given}: expected KEY=VALUE such as ${EXAMPLE}, or ${NO_FAULTS} alone`);
    }
    if (!FAULT_KEYS.includes(key)) {
      const hint = didYouMean(key, FAULT_KEYS) ?? `keys: ${FAULT_KEYS.join(', ')}`;
      throw refuse(`${word}: no key "${key}"; ${hint}`);
    }
    if (pairs.has(key)) throw refuse(`${word}: ${key} is given twice`);
    pairs.set(key, value);
  }
  return pairs;
}

function parsePart(value: string, word: string): number {
  const [, digits] = /^([0-9]{1,3}(?:\.[0-9]{1,7})?)%$/.exec(value) ?? [];
  if (digits === undefined) throw refuse(`${word}: expected a part of all requests such as 1%`);
  if (Number(digits) > 100) throw refuse(`${word}: more than 100%`, 'ERANGE');
  return Number(digits) / 100;
}

function parseErrno(value: string, word: string): string {
  if (FAULT_ERRNOS.some((name) => name === value)) return value;
  throw refuse(`${word}: expected one of ${FAULT_ERRNOS.join(', ')}`);
}

/** Without a unit it would be a guess: to one reader 20 is milliseconds, to another seconds. */
function parseDelay(value: string, word: string): number {
  if (value === '0') return 0;
  const [, digits = '', unit = ''] = /^([0-9]{1,9}(?:\.[0-9]{1,6})?)(us|ms|s)$/.exec(value) ?? [];
  const us = Number((Number(digits) * (US_PER_UNIT[unit] ?? Number.NaN)).toFixed(6));
  if (!Number.isInteger(us)) throw refuse(`${word}: expected ${DELAY}`);
  if (us > DELAY_MAX_US) throw refuse(`${word}: more than 60s`, 'ERANGE');
  return us * NS_PER_US;
}

function parseSeed(value: string, word: string): number {
  const seed = /^[0-9]{1,10}$/.test(value) ? Number(value) : Number.NaN;
  if (seed <= SEED_MAX) return seed;
  throw refuse(`${word}: expected a number from 0 to ${SEED_MAX}`);
}

/** The words of faults, those for all requests together where they are the same. */
export function formatFaults(faults: Faults): string {
  const { seed } = faults;
  const failing = FAULTY.filter((kind) => faults[kind].error > 0);
  return [
    ...words('error', FAULTY, (kind) => formatPart(faults[kind].error)),
    ...words('errno', failing, (kind) => {
      const { errno } = faults[kind];
      return errno === 'EIO' ? null : errno;
    }),
    ...words('delay', FAULTY, (kind) => formatDelay(faults[kind].delayNs)),
    ...(seed === null ? [] : [`seed=${seed}`]),
  ].join(',');
}

/** @param value null: not worth a word */
function words(
  field: Field,
  kinds: readonly Faulty[],
  value: (kind: Faulty) => string | null,
): string[] {
  const values = kinds.map(value);
  const [first] = values;
  if (values.every((one) => one === first)) {
    return first === undefined || first === null ? [] : [`${field}=${first}`];
  }
  return kinds.flatMap((kind, at) => {
    return values[at] === null ? [] : [`${kind}.${field}=${values[at]}`];
  });
}

/** Seven digits are what `parsePart` takes, without the noise of the division. */
function formatPart(part: number): string | null {
  return part === 0 ? null : `${(part * 100).toFixed(7).replace(/\.?0+$/, '')}%`;
}

function formatDelay(delayNs: number): string | null {
  const us = delayNs / NS_PER_US;
  if (us === 0) return null;
  if (us % 1e6 === 0) return `${us / 1e6}s`;
  return us % 1000 === 0 ? `${us / 1000}ms` : `${us}us`;
}
