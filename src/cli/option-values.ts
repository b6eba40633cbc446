import { refuse } from '../util/errors.js';

/** All values of a repeatable option, in order. */
export function many(value: string | string[] | undefined): string[] {
  if (value === undefined) return [];
  return Array.isArray(value) ? value : [value];
}

/** The value of an option that may be given only once. */
export function oneText(
  option: string,
  value: string | string[] | undefined,
  missing: string,
): string {
  if (Array.isArray(value)) throw refuse(`${option} is given twice`);
  return value ?? missing;
}

/** The value of a flag. It may be given twice with the same value. */
export function oneFlag(
  option: string,
  value: boolean | boolean[] | undefined,
  missing: boolean,
): boolean {
  if (!Array.isArray(value)) return value ?? missing;
  const first = value[0] ?? missing;
  if (value.some((other) => other !== first)) throw refuse(`${option} is given as yes and as no`);
  return first;
}

/** The value of an option that takes one of a few words. */
export function oneWord<Word extends string>(
  option: string,
  value: string | string[] | undefined,
  words: readonly Word[],
  missing: Word,
): Word {
  const text = oneText(option, value, missing);
  const word = words.find((known) => known === text);
  if (word === undefined) {
    throw refuse(`${option} ${text}: not known to this version, which has ${words.join(', ')}`);
  }
  return word;
}

/** A whole number from `min` to `max`. `or` names other values of the option, for the message. */
export function oneInteger(
  option: string,
  value: string | string[] | undefined,
  min: number,
  max: number,
  missing: number,
  or = '',
): number {
  const text = oneText(option, value, String(missing));
  const number = /^[0-9]{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isNaN(number)) {
    throw refuse(`${option} ${text}: expected ${or}a number from ${min} to ${max}`);
  }
  if (number < min || number > max) {
    throw refuse(`${option} ${text}: expected ${or}a number from ${min} to ${max}`, 'ERANGE');
  }
  return number;
}
