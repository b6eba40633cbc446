import { constants } from 'node:os';

/** Number of each errno name on Linux, for instance `ENOENT` -> 2. */
export const ERRNO: Readonly<Record<keyof typeof constants.errno, number>> = constants.errno;

const NAMES = new Map<number, string>();
for (const [name, number] of Object.entries(constants.errno)) {
  // Some numbers have two names (EAGAIN, EWOULDBLOCK): the first one is the usual one.
  if (!NAMES.has(number)) NAMES.set(number, name);
}

/** Name of an errno number (positive or negative), `errno 4711` if it has none. */
export function errnoName(number: number): string {
  return NAMES.get(Math.abs(number)) ?? `errno ${Math.abs(number)}`;
}
