import { parseArgs } from 'node:util';
import { refuse, type SluiceError } from '../util/errors.js';
import { didYouMean } from '../util/nearest.js';
import type { Option } from './declaration.js';

/** Options by name, without dashes. */
type Declared = Readonly<Record<string, Omit<Option, 'describe'>>>;

/** The parts of a command line. */
export interface ParsedWords {
  operands: string[];
  /** By name. An option that is repeatable has a list. */
  options: Record<string, boolean | string | string[]>;
  /** --help and --version work in a line with mistakes too. */
  asked: 'help' | 'version' | null;
}

const SHORT: ReadonlyMap<string, string> = new Map([
  ['help', 'h'],
  ['version', 'v'],
]);

function tokensOf(words: readonly string[], declared: Declared) {
  const named = Object.entries(declared).map(([name, { type }]) => {
    const short = name.length === 1 ? name : SHORT.get(name);
    return [name, short === undefined ? { type } : { type, short }] as const;
  });
  const options = Object.fromEntries(named);
  return parseArgs({ args: [...words], options, strict: false, tokens: true }).tokens;
}

type OptionToken = Extract<ReturnType<typeof tokensOf>[number], { kind: 'option' }>;

/** A flag is written `--read-only` or `--no-read-only`, without a value. */
function flagOf({ rawName, inlineValue }: OptionToken, name: string, value: boolean): boolean {
  if (inlineValue) throw refuse(`${rawName}: takes no value; --no-${name} is its opposite`);
  return value;
}

/** Refuses the next option as a value: most likely the value was forgotten. */
function textOf({ rawName, value, inlineValue }: OptionToken): string {
  if (value === undefined) throw refuse(`${rawName}: its value is missing`);
  // Most likely an unset variable of a script.
  if (value === '') throw refuse(`${rawName}: its value is empty`);
  if (!inlineValue && /^-[^0-9]/.test(value)) {
    const ways = `${rawName}=${value} if that is the value`;
    throw refuse(`${rawName}: its value is missing before ${value}; write ${ways}`);
  }
  return value;
}

function unknownOption({ rawName }: OptionToken, declared: Declared, help: string): SluiceError {
  const isNo = rawName.startsWith('--no-');
  const known = Object.entries(declared).map(([name, { type }]) => {
    if (name.length === 1) return `-${name}`;
    return isNo && type === 'boolean' ? `--no-${name}` : `--${name}`;
  });
  return refuse(`${rawName}: unknown option; ${didYouMean(rawName, known) ?? `see ${help}`}`);
}

/**
 * Splits a command line into operands and options.
 *
 * @param help The command that shows the known options; named in the error for an unknown one.
 * @throws SluiceError EINVAL, exit code 2: an unknown option, a missing value, a value of a flag.
 */
export function parseWords(
  words: readonly string[],
  declared: Declared,
  help: string,
): ParsedWords {
  const tokens = tokensOf(words, declared);
  const operands = tokens.flatMap((token) => (token.kind === 'positional' ? [token.value] : []));
  const given = tokens.filter((token) => token.kind === 'option');
  const asked = given.find(({ name }) => SHORT.has(name))?.name as 'help' | 'version' | undefined;
  if (asked !== undefined) return { operands, options: {}, asked };
  const options: ParsedWords['options'] = {};
  for (const token of given) {
    const positive = token.name.replace(/^no-/, '');
    // Own names only: every object has `constructor` and `toString`.
    const name = Object.hasOwn(declared, token.name) ? token.name : positive;
    const option = Object.hasOwn(declared, name) ? declared[name] : undefined;
    const isText = option?.type === 'string';
    if (option === undefined || (isText && name !== token.name)) {
      throw unknownOption(token, declared, help);
    }
    const before = options[name];
    const value = isText ? textOf(token) : flagOf(token, name, name === token.name);
    if (option.repeatable) options[name] = [before ?? [], value].flat() as string[];
    else if (before === undefined || (before === value && !isText)) options[name] = value;
    else throw refuse(`--${name}: given ${isText ? 'twice' : 'as yes and as no'}`);
  }
  return { operands, options, asked: null };
}
