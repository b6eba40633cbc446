import { SECTOR_SIZES } from '../partitions/read-table.js';
import { refuse } from '../util/errors.js';
import { parseSize } from '../util/units.js';

/** The value of an option that takes one of a few words. */
export function oneWord<Word extends string>(
  option: string,
  text: string,
  words: readonly Word[],
): Word {
  const word = words.find((known) => known === text);
  if (word !== undefined) return word;
  throw refuse(`${option} ${text}: not known to this version, which has ${words.join(', ')}`);
}

/** A whole number from `min` to `max`. */
export function oneInteger(option: string, text: string, min: number, max: number): number {
  const number = /^[0-9]{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (number >= min && number <= max) return number;
  const errno = Number.isNaN(number) ? 'EINVAL' : 'ERANGE';
  throw refuse(`${option} ${text}: expected a number from ${min} to ${max}`, errno);
}

/** The option about partition tables. */
export const SECTOR_OPTION = {
  'sector-size': {
    type: 'string',
    describe:
      'SIZE: sectors of partition tables, 512 or 4096 (default: as the table tells, else 512)',
    words: ['512', '4096'],
  },
} as const;

/** Bytes of a sector; null: not given. */
export function parseSectorSize(text: string | undefined): number | null {
  if (text === undefined) return null;
  const bytes = parseSize(text);
  if (SECTOR_SIZES.includes(bytes)) return bytes;
  throw refuse(`--sector-size ${text}: expected ${SECTOR_SIZES.join(' or ')}`);
}

const LOOPBACK = '127.0.0.1';

/** `9464`, `127.0.0.1:9464`, `localhost:9464` or `[::1]:9464`; null if it is not given. */
export function parseAddress(
  option: string,
  text: string | undefined,
): { host: string; port: number } | null {
  if (text === undefined) return null;
  const [, ipv6, name, digits] =
    /^(?:(?:\[([0-9a-fA-F:.]+)\]|([\w.-]+)):)?([0-9]{1,5})$/.exec(text) ?? [];
  const port = Number(digits);
  if (port >= 1 && port <= 65535) return { host: ipv6 ?? name ?? LOOPBACK, port };
  throw refuse(`${option} ${text}: expected [HOST:]PORT such as 127.0.0.1:9464`);
}
