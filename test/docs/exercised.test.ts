import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { COMMANDS } from '../../src/cli/commands.js';
import { ALIASES } from '../../src/control/aliases.js';
import { SETTINGS } from '../../src/control/settings.js';

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

test('every key of sluice set is given by a test', (t) => {
  const keys = [...SETTINGS.map(({ key }) => key), ...ALIASES];
  t.true(keys.length > 50);
  const missing = keys.filter(
    (key) => !new RegExp(`\\b${key.replace('.', '\\.')}['"]?[=:]`).test(TESTS),
  );
  t.deepEqual(missing, []);
});

/** Names and numbers in a message of the manual, which are others in a test. */
const NAME =
  /\S*[./\d"]\S*|\b[A-Z]{4,}\b|\b(?:rsync|fio|ewf|qcow2|slwo|monolithicSparse)\b|[;:] |\(pid/;

/** Three words that follow each other in a part of the message between names, or all if there are fewer. */
function phrasesOf(message: string): string[] {
  return message.split(NAME).flatMap((part) => {
    const words = part.split(' ').filter((word) => word !== '');
    if (words.length < 2) return [];
    if (words.length < 3) return [words.join(' ')];
    return words.slice(2).map((word, at) => `${words[at]} ${words[at + 1]} ${word}`);
  });
}

test('every error of the manual is expected by a test', (t) => {
  const manual = readFileSync('docs/manual.md', 'utf8');
  const [, table = ''] = /\n## Errors\n.*?\| --- .*?\n((?:\|.*\n)+)/s.exec(manual) ?? [];
  const messages = [...table.matchAll(/^\| `(.+?)`.*?\|/gm)].map(([, message]) => message!);
  t.true(messages.length > 45);
  const written = TESTS.replaceAll('\\', '').replaceAll(/['`]\s*\+\s*['`]/g, '');
  for (const message of messages) {
    const phrases = phrasesOf(message);
    t.true(phrases.length === 0 || phrases.some((phrase) => written.includes(phrase)), message);
  }
});
