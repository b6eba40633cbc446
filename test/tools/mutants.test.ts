import { readFileSync } from 'node:fs';
import test from 'ava';
import { CRASH_FAULTS } from '../../tools/mutants/crash-faults.js';
import { FIRST_FAULTS } from '../../tools/mutants/first-faults.js';
import { HAND_OVER_FAULTS } from '../../tools/mutants/hand-over-faults.js';
import { LIVE_IMAGE_FAULTS } from '../../tools/mutants/live-image-faults.js';
import { changed } from '../../tools/mutants/mutation.js';
import { OTHER_FAULTS } from '../../tools/mutants/other-faults.js';
import { SERVER_FAULTS } from '../../tools/mutants/server-faults.js';

const ALL = [
  ...FIRST_FAULTS,
  ...OTHER_FAULTS,
  ...LIVE_IMAGE_FAULTS,
  ...SERVER_FAULTS,
  ...HAND_OVER_FAULTS,
  ...CRASH_FAULTS,
];

test('each mutation fits the sources of today', (t) => {
  for (const mutation of ALL) {
    for (const change of mutation.changes) {
      const text = readFileSync(`src/${change.file}`, 'utf8');
      t.not(changed(text, mutation, change), text, mutation.name);
    }
  }
});

test('no two mutations have the same name', (t) => {
  const names = ALL.map(({ name }) => name);
  t.deepEqual(names, [...new Set(names)]);
});

test('a text that is not there exactly once is an error', (t) => {
  const change = { file: 'a.ts', from: 'b', to: 'c' };
  const mutation = { name: 'one', fault: 'none', changes: [change] };
  t.is(changed('a b c', mutation, change), 'a c c');
  const gone = 'one: its text is no longer in src/a.ts; change the table in tools/mutants';
  t.throws(() => changed('a c', mutation, change), { message: gone });
  const twice = 'one: its text occurs 2 times in src/a.ts; change the table in tools/mutants';
  t.throws(() => changed('b b', mutation, change), { message: twice });
});
