import { RATES } from '../throttle/bursts.js';
import { CONTROL_FILES } from '../tree/control-files.js';
import { refuse } from './parse-pairs.js';

/** A text for one control file of a group. */
export interface GroupSetting {
  file: string;
  text: string;
}

/** A word of the command line: to which file it belongs, and how it is written there. */
interface Key {
  readonly file: string;
  readonly write: (value: string) => string;
}

const asIs = (value: string): string => value;

/** Keys of `sluice set` and `--group`. */
const KEYS: ReadonlyMap<string, Key> = new Map<string, Key>([
  ...[...RATES, 'iops_size'].map((key): [string, Key] => [
    key,
    { file: 'io.max', write: (value) => `${key}=${value}` },
  ]),
  ...RATES.map((key): [string, Key] => [
    `burst.${key}`,
    { file: 'io.burst', write: (value) => `${key}=${value}` },
  ]),
  ['weight', { file: 'io.weight', write: asIs }],
  ['min.bps', { file: 'io.min', write: (value) => `bps=${value}` }],
  ['min.iops', { file: 'io.min', write: (value) => `iops=${value}` }],
  ['latency', { file: 'io.latency', write: (value) => `target=${value}` }],
  ['member', { file: 'members', write: asIs }],
  ['members', { file: 'members', write: asIs }],
  ['depth', { file: 'io.depth', write: asIs }],
  ['cost', { file: 'io.cost', write: asIs }],
]);

/** Files of which a command line can say several things at once, and what stands between them. */
const SEPARATORS: Readonly<Record<string, string>> = {
  'io.max': ' ',
  'io.burst': ' ',
  'io.min': ' ',
  members: '\n',
};

/**
 * Turns `KEY=VALUE` words into what to write to a group's files, all of one file in one text, in the
 * order of the files: a burst is written after the limit that it needs. Every text is checked.
 *
 * @param isRoot Whether it is for the root group, which has more files.
 * @throws SluiceError EINVAL, ERANGE; exit code 2.
 */
export function parseSettings(words: readonly string[], isRoot: boolean): GroupSetting[] {
  const texts = new Map<string, string>();
  for (const word of words) {
    const equals = word.indexOf('=');
    if (equals === -1) throw refuse(`${word}: expected KEY=VALUE such as iops=1000`);
    const name = word.slice(0, equals);
    const key = KEYS.get(name);
    if (key === undefined) throw refuse(`${word}: no key "${name}"; keys: ${keysOf(isRoot)}`);
    const before = texts.get(key.file);
    const separator = SEPARATORS[key.file];
    if (before !== undefined && separator === undefined) {
      throw refuse(`${word}: ${name} is given twice`);
    }
    const text = key.write(word.slice(equals + 1));
    texts.set(key.file, before === undefined ? text : `${before}${separator}${text}`);
  }
  if (texts.size === 0) throw refuse('nothing to set; write for instance iops=1000');
  return inOrder(texts, isRoot);
}

function inOrder(texts: ReadonlyMap<string, string>, isRoot: boolean): GroupSetting[] {
  const settings: GroupSetting[] = [];
  for (const { name, rootOnly, prepare } of CONTROL_FILES) {
    const text = texts.get(name);
    if (text === undefined || prepare === null) continue;
    if (rootOnly && !isRoot) throw refuse(`${name.slice(3)}: only the root group, /, has it`);
    prepare(text);
    settings.push({ file: name, text });
  }
  return settings;
}

function keysOf(isRoot: boolean): string {
  const rootOnly = new Set(CONTROL_FILES.filter((row) => row.rootOnly).map((row) => row.name));
  const keys = [...KEYS].filter(([name, { file }]) => {
    return name !== 'members' && (isRoot || !rootOnly.has(file));
  });
  return keys.map(([name]) => name).join(', ');
}
