import { refuse, SluiceError } from '../util/errors.js';
import { didYouMean } from '../util/nearest.js';
import { ALIASES, type Pair, withoutAliases } from './aliases.js';
import {
  type Changes,
  type GroupSettings,
  getValue,
  putValue,
  SETTINGS,
  type Setting,
} from './settings.js';

// Settings as text: the words of a command line, and the texts of control files.

/** The words of a text, which spaces, newlines or commas separate. */
function splitWords(text: string): string[] {
  return text.split(/[\s,]+/).filter((word) => word !== '');
}

/** Splits KEY=VALUE at the first `=`; null where there is none. */
function splitPair(word: string): Pair | null {
  const equals = word.indexOf('=');
  return equals === -1 ? null : { word, key: word.slice(0, equals), value: word.slice(equals + 1) };
}

/** The pairs of a text that a daemon has written. Other words are left out. */
export function readPairs(text: string): Map<string, string> {
  const pairs = splitWords(text).map(splitPair);
  return new Map(pairs.filter((pair) => pair !== null).map(({ key, value }) => [key, value]));
}

/** How errors in a text speak of its keys. */
interface Wording {
  readonly example: string;
  readonly none: string;
  readonly unknown: (key: string) => string;
}

/**
 * Parses words KEY=VALUE that a user wrote.
 *
 * @throws SluiceError EINVAL, ERANGE; exit code 2.
 */
function parsePairs(
  pairs: readonly Pair[],
  find: (key: string) => Setting | undefined,
  wording: Wording,
): Changes {
  const changes: Changes = {};
  const values = new Map<Setting, { word: string; value: string }>();
  for (const { word, key, value } of pairs) {
    const setting = find(key);
    if (setting === undefined) throw refuse(`${word}: ${wording.unknown(key)}`);
    const before = values.get(setting);
    if (before === undefined) values.set(setting, { word, value });
    else if (setting.part === 'members') before.value += `\n${value}`;
    else throw refuse(`${word}: ${key} is given twice`);
  }
  if (values.size === 0) throw refuse(wording.none);
  for (const [setting, { word, value }] of values) {
    putValue(changes, setting, setting.type.parse(value, word));
  }
  return changes;
}

/** @throws SluiceError EINVAL, exit code 2: a word is no pair */
function splitPairs(words: readonly string[], example: string): Pair[] {
  return words.map((word) => {
    const pair = splitPair(word);
    if (pair === null) throw refuse(`${word}: expected KEY=VALUE such as ${example}`);
    return pair;
  });
}

/** How each file of KEY=VALUE calls its keys, and an example of one. */
const KEYED_FILES: Readonly<Record<string, readonly [noun: string, example: string]>> = {
  'io.max': ['limit', 'iops=1000'],
  'io.per_gb': ['limit', 'iops=10/500'],
  'io.burst': ['burst', 'bps=400M/10'],
  'io.min': ['minimum', 'iops=500'],
  'io.latency': ['target', 'target=2000'],
};

const settingsOf = (file: string): Setting[] => SETTINGS.filter((setting) => setting.file === file);

/**
 * Parses the text of one write to a control file.
 *
 * @throws SluiceError EINVAL, ERANGE; exit code 2.
 */
export function parseFile(file: string, text: string): Changes {
  const settings = settingsOf(file);
  const [noun, example] = KEYED_FILES[file] ?? [];
  if (noun === undefined || example === undefined) {
    const changes: Changes = {};
    const word = `"${text.trim()}"`;
    for (const setting of settings) putValue(changes, setting, setting.type.parse(text, word));
    return changes;
  }
  const keys = settings.map(({ word }) => word).join(', ');
  return parsePairs(
    splitPairs(splitWords(text), example),
    (key) => settings.find(({ word }) => word === key),
    {
      example,
      none: `no ${noun}s given; write for instance ${example}`,
      unknown: (key) => `there is no ${noun} "${key}"; the ${noun}s are ${keys}`,
    },
  );
}

/**
 * Parses the words of `sluice set` and `--group`, with the names of libvirt and Cinder as aliases.
 *
 * @param isRoot They are for the root group, which has more settings.
 * @throws SluiceError EINVAL, ERANGE; exit code 2.
 */
export function parseWords(words: readonly string[], isRoot: boolean): Changes {
  const known = SETTINGS.filter(({ rootOnly }) => isRoot || !rootOnly);
  const find = (key: string): Setting | undefined => {
    const setting = SETTINGS.find((one) => one.key === (key === 'members' ? 'member' : key));
    if (setting?.rootOnly && !isRoot) throw refuse(`${key}: only the root group, /, has it`);
    return setting;
  };
  const example = 'iops=1000';
  return parsePairs(withoutAliases(splitPairs(words, example)), find, {
    example,
    none: 'nothing to set; write for instance iops=1000',
    unknown: (key) => {
      const keys = known.map((one) => one.key);
      return `no key "${key}"; ${didYouMean(key, [...keys, ...ALIASES]) ?? `keys: ${keys.join(', ')}`}`;
    },
  });
}

/** The words of `sluice set` for settings that are not those of a new group. */
export function formatWords(settings: Changes): string[] {
  const set = SETTINGS.filter((setting) => {
    const value = getValue(settings, setting);
    return value !== undefined && value !== setting.initial;
  });
  return set.map((setting) => `${setting.key}=${format(settings, setting)}`);
}

/** The words of `sluice set` that take changes back: what the same settings are now. Members are left out. */
export function wordsBefore(changes: Changes, now: Changes): string[] {
  const changed = SETTINGS.filter((setting) => {
    const isThere =
      getValue(changes, setting) !== undefined && getValue(now, setting) !== undefined;
    return isThere && setting.part !== 'members';
  });
  return changed.map((setting) => `${setting.key}=${format(now, setting)}`);
}

/** The text of a control file, without those settings that are not in `from`. */
export function formatFile(file: string, from: Changes): string {
  const there = settingsOf(file).filter((setting) => getValue(from, setting) !== undefined);
  const words = there.map((setting) => {
    const value = format(from, setting);
    return setting.word === '' ? value : `${setting.word}=${value}`;
  });
  return words.join(' ');
}

/** The texts of control files that make these changes, in the order of writing. */
export function formatChanges(changes: Changes): { file: string; text: string }[] {
  const files = [...new Set(SETTINGS.map(({ file }) => file))];
  const texts = files.map((file) => ({ file, text: formatFile(file, changes) }));
  return texts.filter(({ text }) => text !== '');
}

/**
 * The settings of a group from its control files. A setting that a daemon of another version does not
 * write, or writes in another form, is that of a new group.
 */
export function readSettings(files: Readonly<Record<string, string>>): GroupSettings {
  const settings: Changes = {};
  const pairs = new Map(
    Object.keys(KEYED_FILES).map((file) => [file, readPairs(files[file] ?? '')]),
  );
  for (const setting of SETTINGS) {
    if (setting.rootOnly || setting.part === 'members') continue;
    const { file, word } = setting;
    const text = word === '' ? files[file] : pairs.get(file)?.get(word);
    putValue(settings, setting, readValue(setting, text ?? ''));
  }
  return settings as GroupSettings;
}

function readValue(setting: Setting, text: string): unknown {
  try {
    return setting.type.parse(text, text);
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error;
    return setting.initial;
  }
}

function format(from: Changes, setting: Setting): string {
  return setting.type.format(getValue(from, setting));
}
