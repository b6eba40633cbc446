import yargs, { type Argv } from 'yargs';
import { UsageError } from './cleanup.js';

/** A yargs parser with the same settings for every tool: strict, and wrong usage is thrown. */
export function toolOptions(name: string, describe: string): Argv {
  return yargs(process.argv.slice(2))
    .scriptName(name)
    .usage(`$0 [options]\n\n${describe}`)
    .strict()
    .version(false)
    .help()
    .wrap(100)
    .fail((message, error) => {
      throw new UsageError(message ?? error.message);
    });
}

/** An option check: throws unless `value` is a number in [min, max]. */
export function inRange(name: string, value: number, min: number, max: number): void {
  if (value >= min && value <= max) return;
  throw new UsageError(`--${name}: expected ${min} to ${max}, but found ${value}`);
}

/** `NAME=VALUE` texts as a map; throws on one without a name or a value, or a name given twice. */
export function namedValues(option: string, texts: readonly string[]): Map<string, string> {
  const values = new Map<string, string>();
  for (const text of texts) {
    const at = text.indexOf('=');
    if (at < 1 || at === text.length - 1) {
      throw new UsageError(`--${option}: expected NAME=VALUE, but found "${text}"`);
    }
    const name = text.slice(0, at);
    if (values.has(name)) throw new UsageError(`--${option}: ${name} is given twice`);
    values.set(name, text.slice(at + 1));
  }
  return values;
}

/** The words of a comma-separated list; empty ones are left out. */
export function listOf(text: string): string[] {
  return text
    .split(',')
    .map((word) => word.trim())
    .filter((word) => word !== '');
}

/**
 * The ids named by a --only list: each word is an id, or the part of an id before or after the slash.
 * Without a list all ids. Throws on a word that matches no id.
 */
export function chosen(ids: readonly string[], only: string | undefined): Set<string> {
  if (only === undefined) return new Set(ids);
  const found = new Set<string>();
  for (const word of listOf(only)) {
    const hits = ids.filter((id) => id === word || id.split('/').includes(word));
    if (hits.length === 0) {
      throw new UsageError(`--only: "${word}" is none of ${ids.join(', ')}`);
    }
    for (const hit of hits) found.add(hit);
  }
  return found;
}
