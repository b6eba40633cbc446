import { parseArgs } from 'node:util';
import { EXIT_USAGE, SluiceError } from '../util/errors.js';
import { didYouMean } from './nearest.js';

/** Options of a command by kind, without dashes, and the names of one letter. */
export interface DeclaredOptions {
  flags: readonly string[];
  texts: readonly string[];
}

/** What every command has. */
const SHORT: Readonly<Record<string, string>> = { h: 'help', v: 'version' };
/** Stands before an operand that looks like an option. No argument of a program contains it. */
const MARK = '\0';

function refuse(message: string): SluiceError {
  return new SluiceError(message, 'EINVAL', EXIT_USAGE);
}

function tokensOf(words: readonly string[], { flags, texts }: DeclaredOptions) {
  const letters = Object.entries(SHORT);
  const named = (name: string): { short?: string } => {
    const letter = name.length === 1 ? name : letters.find(([, long]) => long === name)?.[0];
    return letter === undefined ? {} : { short: letter };
  };
  const options = Object.fromEntries([
    ...flags.map((name) => [name, { type: 'boolean', ...named(name) } as const]),
    ...texts.map((name) => [name, { type: 'string', ...named(name) } as const]),
  ]);
  return parseArgs({ args: [...words], options, strict: false, tokens: true }).tokens;
}

type Token = ReturnType<typeof tokensOf>[number];
type OptionToken = Extract<Token, { kind: 'option' }>;

/** `--read-only`, `--no-read-only`: there is no third way to write a flag. */
function plainFlag({ rawName, inlineValue }: OptionToken, name: string, value: boolean): string {
  if (inlineValue) throw refuse(`${rawName}: takes no value; --no-${name} is its opposite`);
  return `--${name}=${value}`;
}

/** A word that is forgotten must not make a value of the option that follows. */
function plainText({ name, rawName, value, inlineValue }: OptionToken): string {
  if (value === undefined) throw refuse(`${rawName}: its value is missing`);
  // A variable of a script that is not set: to leave the option out would do something else.
  if (value === '') throw refuse(`${rawName}: its value is empty`);
  if (!inlineValue && /^-[^0-9]/.test(value)) {
    const ways = `${rawName}=${value} if that is the value`;
    throw refuse(`${rawName}: its value is missing before ${value}; write ${ways}`);
  }
  return `${name.length === 1 ? '-' : '--'}${name}=${value}`;
}

function unknownOption({ rawName }: OptionToken, { flags, texts }: DeclaredOptions, help: string) {
  const known = [...flags, ...texts].map((name) => (name.length === 1 ? `-${name}` : `--${name}`));
  return refuse(`${rawName}: unknown option; ${didYouMean(rawName, known) ?? `see ${help}`}`);
}

/**
 * A command line in which yargs can mistake nothing: each option is one word with its value, and an
 * operand that begins with a dash is marked (`operand` takes the mark away).
 *
 * @param help command whose help is named where an option is unknown
 * @throws SluiceError exit code 2, for an option that is unknown, lacks its value, or has one too many
 */
export function plainWords(
  words: readonly string[],
  declared: DeclaredOptions,
  help: string,
): string[] {
  const given = new Map<string, boolean>();
  const flag = (token: OptionToken, name: string, value: boolean): string => {
    if ((given.get(name) ?? value) !== value) throw refuse(`--${name}: given as yes and as no`);
    given.set(name, value);
    return plainFlag(token, name, value);
  };
  const option = (token: OptionToken): string => {
    const { name } = token;
    const positive = name.replace(/^no-/, '');
    if (declared.texts.includes(name)) return plainText(token);
    if (declared.flags.includes(name)) return flag(token, name, true);
    if (declared.flags.includes(positive)) return flag(token, positive, false);
    throw unknownOption(token, declared, help);
  };
  const tokens = tokensOf(words, declared);
  // Who asks for help gets it, whatever else is wrong.
  const asked = tokens.find(({ kind, ...token }) => {
    return kind === 'option' && ['help', 'version'].includes((token as OptionToken).name);
  }) as OptionToken | undefined;
  if (asked !== undefined) return [...operandsOf(tokens).slice(0, 1), `--${asked.name}`];
  const options = tokens.filter((token) => token.kind === 'option').map(option);
  return [...operandsOf(tokens), ...options];
}

function operandsOf(tokens: readonly Token[]): string[] {
  return tokens.flatMap((token) => {
    if (token.kind !== 'positional') return [];
    return token.value.startsWith('-') ? [MARK + token.value] : [token.value];
  });
}

/** An operand as it was typed. */
export function operand(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(operand);
  return typeof value === 'string' ? value.replaceAll(MARK, '') : value;
}
