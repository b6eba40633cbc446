import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { COMMANDS } from '../../src/cli/commands.js';

/** What the manual names is used by a test. */

const TESTS = readdirSync('test', { recursive: true, encoding: 'utf8' })
  // Those of the docs name everything, and try nothing.
  .filter((path) => path.endsWith('.ts') && !/^docs\/(manual|exercised)/.test(path))
  .map((path) => readFileSync(join('test', path), 'utf8'))
  .join('\n');

test('every command and each of its options is given by a test', async (t) => {
  for (const { name, load } of COMMANDS) {
    t.true(new RegExp(`['"\`( ]${name}['"\` ]`).test(TESTS), name);
    for (const option of Object.keys((await load()).declaration.options)) {
      const written = option.length === 1 ? `'-${option}'` : `--(no-)?${option}\\b`;
      t.true(new RegExp(written).test(TESTS), `${name} --${option}`);
    }
  }
});

test('every exit code of the manual is expected by a test', (t) => {
  const manual = readFileSync('docs/manual.md', 'utf8');
  const [, table = ''] = /\n## Exit codes\n.*?\| --- .*?\n((?:\|.*\n)+)/s.exec(manual) ?? [];
  const codes = [...table.matchAll(/^\| (\d+) \|/gm)].map(([, code]) => code!);
  t.deepEqual(codes, ['0', '1', '2', '3', '4', '5']);
  for (const code of codes) {
    t.true(new RegExp(`(code|status)[^\\n]{0,40}\\b${code}\\b`).test(TESTS), code);
  }
});
