import { FAULT_KEYS, NO_FAULTS } from '../control/faults.js';
import { SETTINGS } from '../control/settings.js';
import { type Command, type Declaration, helpOfOption, type Option } from './declaration.js';

/** What may come next in a command line, for completion in shells. */

export interface Suggestion {
  readonly word: string;
  readonly about: string;
}

/** What is there to be named. */
export interface Live {
  mountpoints(): Promise<readonly string[]>;
  /** Paths of groups; `/` is the root group. */
  groups(mountpoint: string): Promise<readonly string[]>;
  images(mountpoint: string): Promise<readonly string[]>;
}

const EVERYWHERE: readonly Suggestion[] = [
  { word: '--help', about: 'print the options' },
  { word: '--verbose', about: 'print the stack of an error' },
];

const FAULTS_VALUE = 'KEY=VALUE,...';

type OptionTable = Declaration['options'];

/** A command line up to the word that is being typed. */
interface Line {
  declaration: Declaration;
  /** Operands so far, without the name of the command. */
  operands: readonly string[];
  /** Names of the options so far. */
  given: ReadonlySet<string>;
  /** Values of `--group` so far. */
  groups: readonly string[];
  /** The option whose value comes next. */
  open: Option | null;
}

/**
 * Words that the one being typed may become. None: it is the name of a file, or nothing that is known here.
 *
 * @param before the words before it, without the name of the program
 */
export async function suggest(
  before: readonly string[],
  current: string,
  commands: readonly Command[],
  live: Live,
): Promise<readonly Suggestion[]> {
  // What follows is a command of somebody else, or the name of a file.
  if (before.includes('--')) return [];
  const words = before[0] === 'help' ? [] : before;
  const command = commands.find(({ name }) => name === words[0]);
  const all =
    command === undefined
      ? first(words, commands)
      : await next(command, words.slice(1), current, live);
  return all.filter(({ word }) => word.startsWith(current));
}

function first(words: readonly string[], commands: readonly Command[]): Suggestion[] {
  if (words.length > 0) return [];
  const names = commands.map(({ name, describe }) => ({ word: name, about: describe }));
  return [...names, ...EVERYWHERE, { word: '--version', about: 'print the version' }];
}

async function next(
  command: Command,
  words: readonly string[],
  current: string,
  live: Live,
): Promise<readonly Suggestion[]> {
  const { declaration } = await command.load();
  const line = readLine(declaration, words);
  const [, name, begun] = /^--?([\w-]+)=(.*)$/s.exec(current) ?? [];
  const option = line.open ?? (name === undefined ? null : declaration.options[name]);
  if (option) {
    const prefix = line.open === null ? current.slice(0, current.length - begun!.length) : '';
    const values = await valuesOf(option, line, current.slice(prefix.length), live);
    return values.map((word) => ({ word: prefix + word, about: '' }));
  }
  if (current.startsWith('-')) return optionsOf(declaration.options, line.given, current);
  const found = await operandOf(command, line, current, live);
  return found.map((word) => ({ word, about: '' }));
}

function readLine(declaration: Declaration, words: readonly string[]): Line {
  const operands: string[] = [];
  const given = new Set<string>();
  const groups: string[] = [];
  let open: string | null = null;
  for (const word of words) {
    if (open !== null) {
      if (open === 'group') groups.push(word);
      open = null;
      continue;
    }
    const [, dashes, name = '', value] = /^(--?)([\w-]+)(=.*)?$/s.exec(word) ?? [];
    if (dashes === undefined) operands.push(word);
    else given.add(name.replace(/^no-/, ''));
    if (value === undefined && declaration.options[name]?.type === 'string') open = name;
    if (name === 'group' && value !== undefined) groups.push(value.slice(1));
  }
  const option = open === null ? null : (declaration.options[open] ?? null);
  return { declaration, operands, given, groups, open: option };
}

function optionsOf(
  options: OptionTable,
  given: ReadonlySet<string>,
  current: string,
): Suggestion[] {
  const isNo = current.startsWith('--no-');
  const own = Object.entries(options).flatMap(([name, option]) => {
    if (given.has(name) && !option.repeatable) return [];
    const { value, text } = helpOfOption(option);
    if (isNo) return value === null ? [{ word: `--no-${name}`, about: `not: ${text}` }] : [];
    return [{ word: name.length === 1 ? `-${name}` : `--${name}`, about: text }];
  });
  return [...own, ...EVERYWHERE];
}

/** Values of an option. */
async function valuesOf(
  option: Option,
  line: Line,
  begun: string,
  live: Live,
): Promise<readonly string[]> {
  const { value } = helpOfOption(option);
  if (value?.startsWith('PATH[:')) return settingsAfter(begun, /^.*[:,]/);
  if (value?.endsWith(FAULTS_VALUE)) {
    // Of a mount they come after the name of the image, of `sluice attach` at once.
    const [kept] = (value === FAULTS_VALUE ? /^(?:.*,)?/ : /^.*[:,]/).exec(begun) ?? [];
    return kept === undefined ? [] : faultsAfter(kept);
  }
  if (value !== 'MEMBER=PATH') return option.words ?? [];
  const [member] = /^[^=]*=/.exec(begun) ?? [];
  if (member === undefined) return [];
  const [mountpoint] = line.operands;
  const isLive = 'mountpoint' in line.declaration.operands && mountpoint !== undefined;
  const groups = isLive
    ? await live.groups(mountpoint)
    : line.groups.map((group) => group.replace(/:.*/s, ''));
  return groups.map((group) => member + group);
}

/** The keys of `sluice set`, after what is there up to the last separator. */
function settingsAfter(begun: string, separator: RegExp): string[] {
  const [kept] = separator.exec(begun) ?? [];
  return kept === undefined ? [] : keysAfter(kept);
}

function keysAfter(kept: string): string[] {
  return SETTINGS.map(({ key }) => `${kept}${key}=`);
}

function faultsAfter(kept: string): string[] {
  const keys = FAULT_KEYS.map((key) => `${kept}${key}=`);
  return [...keys, `${kept}${NO_FAULTS}`];
}

/** Names of operands that are mount points. What `place` names may also be a file. */
const MOUNTPOINTS: ReadonlySet<string> = new Set(['mountpoint', 'place']);

/** Operands that may come next. */
async function operandOf(
  command: Command,
  { declaration, operands }: Line,
  current: string,
  live: Live,
): Promise<readonly string[]> {
  const names = [...command.operands.matchAll(/[<[](\w+)(\.\.)?/g)];
  const [, name = '', dots] = names[operands.length] ?? names.at(-1) ?? [];
  const isMountpoint = (one = ''): boolean => MOUNTPOINTS.has(one);
  if (operands.length >= names.length && dots === undefined) return [];
  const words = declaration.operandWords?.[name];
  if (words !== undefined) return words;
  if (isMountpoint(name)) return live.mountpoints();
  const mountpoint = operands[names.findIndex(([, one]) => isMountpoint(one))] ?? '';
  if (name === 'group') return live.groups(mountpoint);
  if (name === 'name') return live.images(mountpoint);
  if (name === 'faults') return faultsAfter('');
  if (name !== 'settings') return [];
  if (!/^members?=/.test(current)) return keysAfter('');
  const images = await live.images(mountpoint);
  return images.map((image) => current.replace(/=.*/s, `=${image}`));
}
