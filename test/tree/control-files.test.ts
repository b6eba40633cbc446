import { readFileSync } from 'node:fs';
import test from 'ava';
import { SETTINGS } from '../../src/control/settings.js';
import { CONTROL_FILES } from '../../src/tree/control-files.js';

const DOCS = readFileSync('docs/control-files.md', 'utf8');

/** The line of the table for a file. */
const lineOf = (file: string): string =>
  DOCS.split('\n').find((line) => line.startsWith(`| \`${file}\` |`)) ?? '';

test('the manual of control files has each file, in the order of the listing', (t) => {
  const places = CONTROL_FILES.map(({ name }) => DOCS.indexOf(`| \`${name}\` |`));
  t.true(places.every((place) => place >= 0));
  t.deepEqual(
    places,
    [...places].sort((a, b) => a - b),
  );
});

test('the manual of control files has the words and the bounds of each setting', (t) => {
  for (const { key, file, word, type } of SETTINGS) {
    const line = lineOf(file);
    if (word !== '')
      t.true(file === 'io.burst' || file === 'io.per_gb' || line.includes(`${word}=`), key);
    if (word === '' && type.range !== null) t.true(line.includes(type.range.join(' to ')), key);
  }
});

test('only files of settings are written', (t) => {
  const written = CONTROL_FILES.filter(({ isWritable }) => isWritable).map(({ name }) => name);
  t.deepEqual(new Set(written), new Set(SETTINGS.map(({ file }) => file)));
});
