import yargs, { type Argv, type CommandModule } from 'yargs';
import { EXIT_USAGE, SluiceError } from '../util/errors.js';
import { readVersion } from '../util/version.js';
import * as doctor from './commands/doctor.js';
import * as info from './commands/info.js';
import * as map from './commands/map.js';
import * as mount from './commands/mount.js';
import * as set from './commands/set.js';
import * as stat from './commands/stat.js';
import * as umount from './commands/umount.js';

/** All commands, in the order of the help. */
export const COMMANDS = [mount, umount, info, map, stat, set, doctor] as const;

/** First words of the commands. */
const COMMAND_NAMES: readonly string[] = COMMANDS.map((module) => commandName(module));

function commandName(module: { command: string }): string {
  return module.command.split(' ')[0] ?? '';
}

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

/** What yargs says of a command line that it does not understand, as one line. */
function usageError(message: string, name: string | undefined): SluiceError {
  // A word too many after a command is "Unknown command" to yargs.
  const named =
    name === undefined ? message : message.replace('Unknown command', 'Unknown argument');
  const flat = named.replaceAll(/\s*\n\s*/g, ' ');
  const text = flat.charAt(0).toLowerCase() + flat.slice(1);
  const help = name === undefined ? 'sluice --help' : `sluice ${name} --help`;
  return new SluiceError(`${text}; see ${help}`, 'EINVAL', EXIT_USAGE);
}

/** The command that a command line names, if it is one. */
export function commandOf(words: readonly string[]): string | undefined {
  const first = words.find((word) => !word.startsWith('-'));
  return first !== undefined && COMMAND_NAMES.includes(first) ? first : undefined;
}

/**
 * The command line of sluice. Parsing runs the command's handler; all errors reach the caller as
 * SluiceError, and nothing here exits.
 */
export function createParser(words: readonly string[]): Argv {
  const parser = yargs([...words])
    .scriptName('sluice')
    .usage(usage())
    .parserConfiguration({ 'greedy-arrays': false, 'parse-numbers': false })
    .version(readVersion())
    .help()
    .wrap(100)
    .strict()
    .strictCommands()
    .demandCommand(1, `name a command: ${COMMAND_NAMES.join(', ')}`)
    .exitProcess(false)
    .fail((message, error) => {
      // YError, not exported, is what yargs throws for an option without its value.
      if (error !== undefined && error !== null && error.name !== 'YError') throw error;
      throw usageError(message ?? error.message, commandOf(words));
    });
  for (const module of COMMANDS) {
    const { command, builder, handler } = module;
    parser.command({ command, describe: false, builder, handler } as CommandModule);
  }
  return parser;
}
