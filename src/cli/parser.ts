import { EXIT_OK, refuse } from '../util/errors.js';
import { didYouMean } from '../util/nearest.js';
import { readVersion } from '../util/version.js';
import { COMMANDS } from './commands.js';
import type { Arguments, Command, CommandModule, Option } from './declaration.js';
import { print } from './terminal.js';
import { type ParsedWords, parseWords } from './words.js';

const COMMAND_NAMES: readonly string[] = COMMANDS.map(({ name }) => name);

/** Options of every command, and of sluice itself. */
const EVERYWHERE: Readonly<Record<string, Omit<Option, 'describe'>>> = {
  help: { type: 'boolean' },
  version: { type: 'boolean' },
  verbose: { type: 'boolean' },
};

/** The command of a command line; undefined if its first word is none. */
export function commandOf(words: readonly string[]): Command | undefined {
  const first = words.find((word) => word === '-' || !word.startsWith('-'));
  return COMMANDS.find(({ name }) => name === first);
}

/**
 * As `commandOf`, but throws for an unknown or missing command. A line that begins with an option, such
 * as `sluice --help`, needs none.
 */
function demandCommand(words: readonly string[]): Command | undefined {
  const command = commandOf(words);
  const [first = ''] = words[0] === '--' ? words.slice(1) : words;
  if (command !== undefined || (first === words[0] && first.startsWith('-'))) return command;
  const hint = didYouMean(first, COMMAND_NAMES) ?? 'see sluice --help';
  throw refuse(`${first}: unknown command; ${hint}`);
}

/** Operands by name. Throws if there are too few or too many. */
function nameOperands(command: Command, operands: readonly string[]): Arguments {
  const expected = `expected sluice ${command.synopsis}`;
  const left = [...operands];
  const named: Record<string, string | string[] | undefined> = {};
  for (const [, bracket, name, dots] of command.operands.matchAll(/([<[])(\w+)(\.\.)?/g)) {
    if (bracket === '<' && left.length === 0) throw refuse(`too few words; ${expected}`);
    named[name!] = dots === undefined ? left.shift() : left.splice(0);
  }
  if (left.length > 0) throw refuse(`${left.join(', ')}: too many words; ${expected}`);
  return named;
}

/** Turns `help` and `help mount` into `--help` and `mount --help`. */
function withoutHelp(words: readonly string[]): readonly string[] {
  return words[0] === 'help' ? [...words.slice(1), '--help'] : words;
}

/** Prints the help of a command; without one, of sluice. */
async function printHelp(command: Command | undefined): Promise<void> {
  // yargs takes as long to load as everything else, and only the help needs it.
  const { helpOf } = await import('./help.js');
  print(`${await helpOf(command)}\n`);
}

/** A command line whose words have been checked against the declaration of its command. */
export interface ParsedLine {
  command: Command | undefined;
  module: CommandModule | undefined;
  asked: 'help' | 'version' | null;
  args: Arguments;
}

/**
 * Parses a command line and runs nothing.
 *
 * @throws SluiceError EINVAL, exit code 2
 */
export async function parseLine(typed: readonly string[]): Promise<ParsedLine> {
  const words = withoutHelp(typed);
  const command = demandCommand(words);
  const module = await command?.load();
  const options = { ...module?.declaration.options, ...EVERYWHERE };
  const help = command === undefined ? 'sluice --help' : `sluice ${command.name} --help`;
  const { command: run, parsed } = splitCommand(words, options, help, module);
  if (parsed.asked !== null) return { command, module, asked: parsed.asked, args: {} };
  if (command === undefined) {
    throw refuse(`name a command: ${COMMAND_NAMES.join(', ')}; see sluice --help`);
  }
  const operands = nameOperands(command, parsed.operands.slice(1));
  const args = { ...operands, ...parsed.options, ...(run !== null && { command: run }) };
  return { command, module, asked: null, args };
}

/** Takes away the command that a line has after `--`, if its words mean that. */
function splitCommand(
  words: readonly string[],
  options: Parameters<typeof parseWords>[1],
  help: string,
  module: CommandModule | undefined,
): { command: readonly string[] | null; parsed: ParsedWords } {
  const end = words.indexOf('--');
  const isCommand = module?.declaration.isCommand;
  if (end > 0 && isCommand !== undefined) {
    const parsed = parseWords(words.slice(0, end), options, help);
    const command = words.slice(end + 1);
    // The first operand is the name of the command of ours.
    if (isCommand(parsed.operands.length - 1, parsed.options)) {
      if (command.length > 0 || parsed.asked !== null) return { command, parsed };
      throw refuse('--: name the command to run after it');
    }
  }
  return { command: null, parsed: parseWords(words, options, help) };
}

/**
 * Runs a command line. All errors reach the caller, those of usage as SluiceError with exit code 2;
 * nothing here exits.
 *
 * @returns the exit code
 */
export async function runWords(words: readonly string[]): Promise<number> {
  const { command, module, asked, args } = await parseLine(words);
  if (asked === 'help') await printHelp(command);
  else if (asked === 'version') print(`${readVersion()}\n`);
  else return (await module!.handler(args, COMMANDS)) ?? EXIT_OK;
  return EXIT_OK;
}
