import { readFileSync } from 'node:fs';
import test from 'ava';
import yargs from 'yargs';
import { COMMANDS } from '../../src/cli/commands.js';
import { FIGURES } from '../../src/cli/io-stat.js';
import * as exitCodes from '../../src/util/errors.js';

// Tests run with the project's folder as working directory (see ava.config.js).
const manual = readFileSync('docs/manual.md', 'utf8');

/** The part of the manual under `## sluice COMMAND`. */
function section(command: string): string {
  const begin = manual.indexOf(`\n## sluice ${command}\n`);
  const end = manual.indexOf('\n## ', begin + 1);
  return begin < 0 ? '' : manual.slice(begin, end < 0 ? undefined : end);
}

for (const module of COMMANDS) {
  const name = module.command.split(' ')[0] ?? '';

  test(`the manual has every option that sluice ${name} --help has`, async (t) => {
    const { builder } = await module.load();
    const help = await builder(yargs([]).help(false).version(false)).getHelp();
    const options = help.match(/(?<=^ +)(--[a-z-]+|-[a-z])(?= )/gm) ?? [];
    t.true(name === 'stat' || name === 'info' || options.length > 0);
    for (const option of options) t.true(section(name).includes(`\`${option}`), option);
  });

  test(`the manual has the synopsis of sluice ${name}`, (t) => {
    t.true(section(name).includes(`    sluice ${module.synopsis}`));
  });
}

test('the manual has every exit code', (t) => {
  const codes = Object.entries(exitCodes).filter(([name]) => name.startsWith('EXIT_'));
  t.is(codes.length, 6);
  for (const [, code] of codes) t.true(manual.includes(`\n| ${code} | `), String(code));
});

test('the manual has every key of io.stat', (t) => {
  for (const key of FIGURES) t.true(manual.includes(`\`${key}\``), key);
});
