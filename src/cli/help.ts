import yargs, { type Argv } from 'yargs';
import { COMMANDS } from './commands.js';
import type { Command, Declaration } from './declaration.js';

/** The usual width of a terminal. */
const HELP_WIDTH = 80;

/** The text of `sluice --help`. yargs would show `mount <paths..>` instead of the synopsis. */
function usage(): string {
  const width = Math.max(...COMMANDS.map(({ synopsis }) => synopsis.length)) + 2;
  const lines = COMMANDS.map(({ synopsis, describe }) => {
    return `  sluice ${synopsis.padEnd(width)}${describe}`;
  });
  return [
    'Mount disk images as plain files, under limits and weights.',
    '',
    'Commands:',
    ...lines,
    '',
    'sluice COMMAND --help tells more.',
  ].join('\n');
}

function declare(parser: Argv, declaration: Declaration): Argv {
  const { usage, operands, options, examples } = declaration;
  for (const [name, describe] of Object.entries(operands)) {
    parser.positional(name, { type: 'string', describe });
  }
  for (const [name, { type, describe, repeatable }] of Object.entries(options)) {
    parser.option(name, { type, describe: repeatable ? `${describe} (repeatable)` : describe });
  }
  return parser.usage(usage).example(examples);
}

/** The help of a command, or of sluice if none is given. */
export async function helpOf(command?: Command): Promise<string> {
  const parser = yargs()
    .scriptName('sluice')
    .detectLocale(false)
    .usage(usage())
    .version()
    .help()
    .alias({ help: 'h', version: 'v' })
    .option('verbose', { type: 'boolean', describe: 'print the stack of an error' })
    .wrap(HELP_WIDTH)
    .exitProcess(false);
  if (command === undefined) return parser.getHelp();
  const { name, operands } = command;
  const { declaration } = await command.load();
  parser.command(`${name} ${operands}`, false, (one) => declare(one, declaration));
  let text = '';
  await parser.parseAsync([name, '--help'], {}, (_error, _args, output) => {
    text = output;
  });
  return text;
}
