import yargs, {
  type ArgumentsCamelCase,
  type Argv,
  type CommandModule as YargsCommand,
} from 'yargs';
import { EXIT_USAGE, SluiceError } from '../util/errors.js';
import { readVersion } from '../util/version.js';
import { COMMANDS, type CommandModule } from './commands.js';
import { didYouMean } from './nearest.js';
import { print } from './terminal.js';
import { type DeclaredOptions, operand, plainWords } from './words.js';

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
function optionsOf(module: CommandModule | undefined): DeclaredOptions {
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

/** A parser of one command; without one, of what can be asked of sluice itself. */
function createParser(command = '', module?: CommandModule): Argv {
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
  if (module === undefined) return parser;
  const { builder } = module;
  const handler = (args: ArgumentsCamelCase): Promise<void> => module.handler(operands(args));
  return parser.command({ command, describe: false, builder, handler } as YargsCommand);
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
  const row = COMMANDS.find((one) => commandName(one) === name);
  const module = await row?.load();
  const plain = plainWords(words, optionsOf(module), seeHelp);
  if (name === undefined && !plain.some((word) => ASKED.includes(word))) {
    throw refuse(`name a command: ${COMMAND_NAMES.join(', ')}; see sluice --help`);
  }
  let text = '';
  const parser = createParser(row?.command, module).fail((message, error) => {
    // YError, not exported, is what yargs throws for words that it does not understand.
    if (error !== undefined && error !== null && error.name !== 'YError') throw error;
    throw usageError(message ?? error.message, name ?? '');
  });
  await parser.parseAsync(plain, {}, (_error, _args, output) => {
    text = output;
  });
  if (text !== '') print(`${text}\n`);
}
