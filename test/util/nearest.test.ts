import test from 'ava';
import { didYouMean } from '../../src/util/nearest.js';

const COMMANDS = ['mount', 'umount', 'info', 'map', 'stat', 'set', 'doctor'];
const OPTIONS = ['--read-only', '--no-direct', '--allow-other', '--log', '-o'];

/** A mistyped word, the known words, and the nearest of them; null if none is near. */
const NEAREST: [string, readonly string[], string | null][] = [
  ['mout', COMMANDS, 'mount'],
  ['moutn', COMMANDS, 'mount'],
  ['unmount', COMMANDS, 'umount'],
  ['stats', COMMANDS, 'stat'],
  ['docter', COMMANDS, 'doctor'],
  ['ls', COMMANDS, null],
  ['frobnicate', COMMANDS, null],
  ['', COMMANDS, null],
  ['--readonly', OPTIONS, '--read-only'],
  ['--read', OPTIONS, '--read-only'],
  ['--readOnly', OPTIONS, '--read-only'],
  ['--allow_other', OPTIONS, '--allow-other'],
  ['--lgo', OPTIONS, '--log'],
  ['-x', OPTIONS, null],
  ['x', [], null],
];

for (const [word, known, nearest] of NEAREST) {
  test(`"${word}" of ${known.length} words is ${nearest ?? 'like none'}`, (t) => {
    t.is(didYouMean(word, known), nearest === null ? null : `did you mean ${nearest}?`);
  });
}
