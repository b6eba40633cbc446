import { readFileSync } from 'node:fs';
import test from 'ava';
import { COMMANDS } from '../../src/cli/commands.js';
import { CALLER_WORDS } from '../../src/tree/caller-report.js';
import { FIGURE_WORDS } from '../../src/tree/reports.js';
import { TIME_WORDS } from '../../src/tree/time-report.js';
import * as exitCodes from '../../src/util/errors.js';

// Tests run with the project's folder as working directory (see ava.config.js).
const manual = readFileSync('docs/manual.md', 'utf8');

/** The part of the manual under `## sluice COMMAND`. */
function section(command: string): string {
  const begin = manual.indexOf(`\n## sluice ${command}\n`);
  const end = manual.indexOf('\n## ', begin + 1);
  return begin < 0 ? '' : manual.slice(begin, end < 0 ? undefined : end);
}

for (const { name, synopsis, load } of COMMANDS) {
  test(`the manual has every option that sluice ${name} --help has`, async (t) => {
    const { options } = (await load()).declaration;
    for (const option of Object.keys(options)) {
      const written = option.length === 1 ? `-${option}` : `--${option}`;
      t.true(section(name).includes(`\`${written}`), written);
    }
    t.true(section(name).includes(`\n## sluice ${name}\n`));
  });

  test(`the manual has the synopsis of sluice ${name}`, (t) => {
    t.true(section(name).includes(`    sluice ${synopsis}`));
  });
}

test('the manual has every exit code', (t) => {
  const codes = Object.entries(exitCodes).filter(([name]) => name.startsWith('EXIT_'));
  t.is(codes.length, 6);
  for (const [, code] of codes) t.true(manual.includes(`\n| ${code} | `), String(code));
});

test('the manual has every key of io.times', (t) => {
  for (const key of TIME_WORDS) t.true(manual.includes(`\`${key}\``), key);
});

test('the manual has every key of io.callers', (t) => {
  for (const key of CALLER_WORDS) t.true(manual.includes(`\`${key}\``), key);
});

test('the manual has every key of io.stat', (t) => {
  for (const key of FIGURE_WORDS) t.true(manual.includes(`\`${key}\``), key);
});
