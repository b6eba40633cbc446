import { constants } from 'node:os';

/** Number of each errno name on Linux, for instance `ENOENT` -> 2. */
export const ERRNO: Readonly<Record<keyof typeof constants.errno, number>> = constants.errno;

const NAMES = new Map<number, string>();
for (const [name, number] of Object.entries(constants.errno)) {
  // Some numbers have two names (EAGAIN, EWOULDBLOCK): the first one is the usual one.
  if (!NAMES.has(number)) NAMES.set(number, name);
}

/** Errors of the host's disk in words. */
const HOST_ERRORS: Readonly<Record<string, string>> = {
  EIO: 'an I/O error of the disk, or a broken image',
  ENOSPC: 'no space is left there',
  EDQUOT: 'the disk quota is used up',
  EROFS: 'the file system has become read-only',
  EFBIG: 'the file would be larger than its file system allows',
  ENOMEM: 'out of memory',
};

/** An errno of host I/O in words, with its name: `no space is left there (ENOSPC)`. */
export function hostErrorText(number: number): string {
  const name = errnoName(number);
  const text = HOST_ERRORS[name];
  return text === undefined ? name : `${text} (${name})`;
}

/** Name of an errno number (positive or negative), `errno 4711` if it has none. */
export function errnoName(number: number): string {
  return NAMES.get(Math.abs(number)) ?? `errno ${Math.abs(number)}`;
}
