import test from 'ava';
import { parseCpuTime, splitCommand } from '../../../tools/lib/process.js';

test('a command is split at white space, quotes hold a word together', (t) => {
  t.deepEqual(splitCommand('node  x.js {mountpoint}'), ['node', 'x.js', '{mountpoint}']);
  t.deepEqual(splitCommand(`a "b c" --d='e f' g`), ['a', 'b c', '--d=e f', 'g']);
  t.deepEqual(splitCommand("  a '' "), ['a', '']);
});

test('nothing of a shell is interpreted', (t) => {
  t.deepEqual(splitCommand('a; $(b) | c > *'), ['a;', '$(b)', '|', 'c', '>', '*']);
});

test('an open quote and an empty command are refused', (t) => {
  t.throws(() => splitCommand('a "b c'), { message: '"a "b c": a quote is not closed' });
  t.throws(() => splitCommand('  '), { message: 'a command is empty' });
});

test('CPU time is read behind a name with spaces and brackets', (t) => {
  const stat = '42 (a) b) S 1 42 42 0 -1 4194560 900 0 3 0 17 250 0 0 20 0 11 0 100 5 6';
  t.deepEqual(parseCpuTime(stat), { user: 17, system: 250 });
});
