import { refuse } from '../util/errors.js';

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
