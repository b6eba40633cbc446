import { EXIT_USAGE, SluiceError } from '../util/errors.js';
import { decimalUnitHint } from '../util/units.js';

/**
 * Splits `KEY=VALUE KEY=VALUE` at spaces, newlines and commas, as `io.max` does.
 *
 * @param keys The keys there are, in the order in which an error names them.
 * @throws SluiceError EINVAL: no words, no `=`, an unknown or a double key; exit code 2.
 */
export function parsePairs(text: string, keys: readonly string[]): Map<string, string> {
  const pairs = new Map<string, string>();
  for (const word of text.split(/[\s,]+/)) {
    if (word === '') continue;
    const equals = word.indexOf('=');
    const key = word.slice(0, Math.max(equals, 0));
    if (equals === -1) throw refuse(`${word}: expected KEY=VALUE`);
    if (!keys.includes(key)) {
      throw refuse(`${word}: there is no key "${key}"; the keys are ${keys.join(', ')}`);
    }
    if (pairs.has(key)) throw refuse(`${word}: ${key} is given twice`);
    pairs.set(key, word.slice(equals + 1));
  }
  if (pairs.size === 0) throw refuse(`nothing given; the keys are ${keys.join(', ')}`);
  return pairs;
}

/**
 * Runs a parser of one value and puts the word it stands in before its error.
 *
 * @throws SluiceError with the errno of the parser's error.
 */
export function inWord<T>(word: string, expected: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error;
    const what = error.errno === 'ERANGE' ? 'too large' : `expected ${expected}`;
    const hint = decimalUnitHint(word.slice(word.indexOf('=') + 1));
    throw refuse(`${word}: ${hint ?? what}`, error.errno);
  }
}

/** An error in what the user wrote. */
export function refuse(message: string, errno = 'EINVAL'): SluiceError {
  return new SluiceError(message, errno, EXIT_USAGE);
}
