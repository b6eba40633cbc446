import yargs, { type ArgumentsCamelCase, type Argv, type CommandModule } from 'yargs';
import { EXIT_USAGE, SluiceError } from '../util/errors.js';
import { readVersion } from '../util/version.js';
import * as doctor from './commands/doctor.js';
import * as info from './commands/info.js';
import * as map from './commands/map.js';
import * as mount from './commands/mount.js';
import * as set from './commands/set.js';
import * as stat from './commands/stat.js';
import * as umount from './commands/umount.js';
import { didYouMean } from './nearest.js';
import { print } from './terminal.js';
import { type DeclaredOptions, operand, plainWords } from './words.js';

/** All commands, in the order of the help. */
export const COMMANDS = [mount, umount, info, map, stat, set, doctor] as const;

/** First words of the commands. */
const COMMAND_NAMES: readonly string[] = COMMANDS.map((module) => commandName(module));

function commandName(module: { command: string }): string {
  return module.command.split(' ')[0] ?? '';
}

/** What can be asked of sluice itself. */
const ASKED: readonly string[] = ['--help', '--version'];

/** A terminal of the usual width shows the help without breaking its lines. */
const HELP_WIDTH = 80;

/** The help of `sluice --help`: written here, because yargs knows `mount <paths..>` only. */
function usage(): string {
  const width = Math.max(...COMMANDS.map((module) => module.synopsis.length)) + 2;
  const lines = COMMANDS.map(
    (module) => `  sluice ${module.synopsis.padEnd(width)}${module.describe}`,
  );
  return [
    'Mount disk images as plain files, under limits and weights.',
    '',
    'Commands:',
    ...lines,
    '',
    'sluice COMMAND --help tells more.',
  ].join('\n');
}

/** What yargs says of too few or too many operands, in our words. */
function usageError(message: string, name: string): SluiceError {
  const synopsis = COMMANDS.find((module) => commandName(module) === name)?.synopsis ?? name;
  const more = /^Unknown (?:argument|command)s?: (.*)$/.exec(message)?.[1];
  const what = more === undefined ? 'too few words' : `${String(operand(more))}: too many words`;
  return refuse(`${what}; expected sluice ${synopsis}`);
}

function refuse(message: string): SluiceError {
  return new SluiceError(message, 'EINVAL', EXIT_USAGE);
}

/** The command that a command line names, if it is one. */
export function commandOf(words: readonly string[]): string | undefined {
  const first = words.find((word) => !word.startsWith('-'));
  return first !== undefined && COMMAND_NAMES.includes(first) ? first : undefined;
}

/** The command that a command line has to name; undefined where it begins with an option. */
function demandCommand(words: readonly string[]): string | undefined {
  const name = commandOf(words);
  const [first = ''] = words[0] === '--' ? words.slice(1) : words;
  if (name !== undefined || (first === words[0] && first.startsWith('-'))) return name;
  const hint = didYouMean(first, COMMAND_NAMES) ?? 'see sluice --help';
  throw refuse(`${first}: unknown command; ${hint}`);
}

/** Options of a command, with those that every command has. */
function optionsOf(name: string | undefined): DeclaredOptions {
  const module = COMMANDS.find((one) => commandName(one) === name);
  const declared = declareAll(yargs([]));
  module?.builder(declared);
  // Not in the types of yargs.
  const { boolean, string, key } = (declared as unknown as WithOptions).getOptions();
  const isOption = (option: string): boolean => option in key;
  return { flags: boolean.filter(isOption), texts: string.filter(isOption) };
}

interface WithOptions {
  getOptions(): { boolean: string[]; string: string[]; key: Record<string, unknown> };
}

/** Options of every command. */
function declareAll(parser: Argv): Argv {
  return parser
    .detectLocale(false)
    .version(readVersion())
    .help()
    .alias({ help: 'h', version: 'v' })
    .option('verbose', { type: 'boolean', describe: 'print the stack of an error' });
}

function createParser(): Argv {
  const parser = declareAll(yargs())
    .scriptName('sluice')
    .usage(usage())
    .parserConfiguration({
      'dot-notation': false,
      'greedy-arrays': false,
      'parse-numbers': false,
    })
    .wrap(HELP_WIDTH)
    .strict()
    .strictCommands()
    .exitProcess(false);
  for (const module of COMMANDS) {
    const { command, builder } = module;
    const handler = (args: ArgumentsCamelCase): Promise<void> => module.handler(operands(args));
    parser.command({ command, describe: false, builder, handler } as CommandModule);
  }
  return parser;
}

/** Arguments with their operands as they were typed. */
function operands(args: ArgumentsCamelCase): ArgumentsCamelCase {
  const entries = Object.entries(args).map(([name, value]) => [name, operand(value)]);
  return Object.fromEntries(entries) as ArgumentsCamelCase;
}

/** `help` and `help mount` are other words for --help. */
function withoutHelp(words: readonly string[]): readonly string[] {
  return words[0] === 'help' ? [...words.slice(1), '--help'] : words;
}

/** The help of sluice. */
export function help(): Promise<string> {
  return createParser().getHelp();
}

/**
 * Runs a command line. All errors reach the caller, those of usage as SluiceError with exit code 2;
 * nothing here exits.
 */
export async function runWords(typed: readonly string[]): Promise<void> {
  const words = withoutHelp(typed);
  const name = demandCommand(words);
  const seeHelp = name === undefined ? 'sluice --help' : `sluice ${name} --help`;
  const plain = plainWords(words, optionsOf(name), seeHelp);
  if (name === undefined && !plain.some((word) => ASKED.includes(word))) {
    throw refuse(`name a command: ${COMMAND_NAMES.join(', ')}; see sluice --help`);
  }
  let text = '';
  const parser = createParser().fail((message, error) => {
    // YError, not exported, is what yargs throws for words that it does not understand.
    if (error !== undefined && error !== null && error.name !== 'YError') throw error;
    throw usageError(message ?? error.message, name ?? '');
  });
  await parser.parseAsync(plain, {}, (_error, _args, output) => {
    text = output;
  });
  if (text !== '') print(`${text}\n`);
}
