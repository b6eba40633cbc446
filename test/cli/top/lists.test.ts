import test from 'ava';
import type { Drawing } from '../../../src/cli/top/columns.js';
import { callerLines, imageLines } from '../../../src/cli/top/lists.js';
import type { Sight } from '../../../src/cli/top/rows.js';
import { UNICODE } from '../../../src/cli/top/spans.js';
import { FIRST_STATE, type State } from '../../../src/cli/top/state.js';
import { plainText } from '../../../src/cli/top/styles.js';
import { testSight } from '../../helpers/top-sight.js';

const drawing = (sight: Partial<Sight> = {}): Drawing => ({
  sight: { ...testSight(), ...sight },
  state: FIRST_STATE,
  glyphs: UNICODE,
});

test('images with their formats and files', (t) => {
  t.deepEqual(imageLines(drawing(), 80, 20).map(plainText), [
    'IMAGE  GROUP    REQ/S  FORMAT      SIZE  ACCESS     FILE',
    'web    gold       750  qcow2      1 GiB  writable   /srv/web.qcow2',
    'db     silver     250  qcow2      1 GiB  read-only  /srv/db.qcow2',
    'disk   -            -  qcow2      1 GiB  passed on  /srv/disk.qcow2',
  ]);
});

test('callers with what they do now', (t) => {
  const caller = {
    ...{
      pid: 4242,
      uid: 1000,
      recent: 0.75,
      threads: 1,
      command: '/usr/bin/fio job.fio',
      cgroup: '/vm',
    },
    ...{ rios: 0, wios: 0, dios: 0, rbytes: 0, wbytes: 0, dbytes: 0 },
    ...{ waitNs: 0, serviceNs: 0, longestNs: 0, followedNs: 0 },
  };
  const busy = { requests: 1500, read: 6_144_000, written: 0, waitNs: 2e6, serviceNs: 5e4 };
  const cache = { ...caller, pid: 0, command: '[page cache]', recent: 0.25 };
  const idle = { requests: 0, read: 0, written: 0, waitNs: null, serviceNs: null };
  const callers = [
    { caller, ...busy },
    { caller: cache, ...idle },
  ];
  const shown = (sight: Partial<Sight>, cells: number): string[] =>
    callerLines(drawing(sight), cells, 6).map(plainText);
  t.deepEqual(shown({ callers }, 80), [
    '    PID  LATELY   REQ/S     READ/S    WRITE/S      WAIT  COMMAND',
    '   4242     75%    1.5k    5.9 MiB        0 B      2 ms  fio job.fio',
    '      -     25%       0        0 B        0 B         -  [page cache]',
    '',
    'LATELY: part of the work of the last half minute',
  ]);
  t.true(shown({ callers }, 140)[1]!.includes('  /vm  '));
  const many = shown({ callers: Array(20).fill(callers[0]) }, 80);
  t.deepEqual([many.length, many[3]], [6, 'and 18 more']);
  t.is(shown({}, 80)[0], 'callers come with the next look');
  t.is(shown({ callers: 'fuse-native does not tell' }, 80)[0], 'fuse-native does not tell');
});

test('a list moves up, and a filter leaves what has the text', (t) => {
  const images = (state: Partial<State>): string[] => {
    const lines = imageLines({ ...drawing(), state: { ...FIRST_STATE, ...state } }, 80, 3);
    return lines.slice(1).map((line) =>
      plainText(line)
        .slice(0, 10)
        .replace(/ {2}.*/, ''),
    );
  };
  t.deepEqual(images({}), ['web', 'and 2 more']);
  t.deepEqual(images({ scrolled: 1 }), ['db', 'disk']);
  t.deepEqual(images({ scrolled: 9 }), ['disk']);
  t.deepEqual(images({ filter: 'D' }), ['db', 'disk']);
});
