import test from 'ava';
import { plainTable, topJson } from '../../../src/cli/top/plain.js';
import { FIRST_STATE } from '../../../src/cli/top/state.js';
import { testSight } from '../../helpers/top-sight.js';

test('a table in which each figure stands for itself', (t) => {
  t.deepEqual(plainTable(testSight(), FIRST_STATE).split('\n'), [
    '/mnt/s at 14:02:11',
    'GROUP     MEMBER       REQ/S    READ/S  WRITE/S  LIMIT USED  SHARE (DUE)  QUEUED    WAIT  SERVICE P99  PRESSURE',
    '/                         1k   3.9 MiB      0 B           -            -     512  6.4 ms       200 us    43.0 %',
    'gold                     750   2.9 MiB      0 B           -  75 % (80 %)       0  250 us       200 us    43.0 %',
    'gold      web            750   2.9 MiB      0 B           -            -       0  250 us       200 us         -',
    'silver                   250  1000 KiB      0 B           -  25 % (20 %)      30  900 us       200 us    43.0 %',
    'silver    db             250  1000 KiB      0 B           -            -      30  900 us       200 us         -',
    'lab                       10    40 KiB      0 B           -            -     482     2 s       200 us    43.0 %',
    'lab/slow                  10    40 KiB      0 B       100 %            -     482     2 s       200 us    43.0 %',
    'lab/slow  disk\\x1b[2J     10    40 KiB      0 B           -            -     482     2 s       200 us         -',
    '',
  ]);
});

test('faults on purpose are told below the table', (t) => {
  const faults = { words: 'read.error=1%,seed=7', failed: 3, delayed: 0 };
  const image = { name: 'web', path: '/srv/web.img', format: 'raw', size: 512, faults };
  const images = [{ ...image, readOnly: false, passthrough: false }];
  const told = '\nFAULTS ON PURPOSE:\nweb: read.error=1%,seed=7; 3 requests failed, 0 delayed\n';
  t.true(plainTable({ ...testSight(), images }, FIRST_STATE).endsWith(told));
});

test('the same for programs', (t) => {
  const time = '2026-11-20T10:00:00.000Z';
  const { rows, ...about } = topJson(testSight(), FIRST_STATE, time) as { rows: object[] };
  t.deepEqual(about, { time, mountpoint: '/mnt/s' } as object);
  t.is(rows.length, 8);
  t.deepEqual(rows[6], {
    group: 'lab/slow',
    member: null,
    reads: 10,
    writes: 0,
    readBytes: 40960,
    writtenBytes: 0,
    queued: 482,
    inflight: 2,
    waitUsec: { mean: 2000000, p99: 4000000 },
    serviceUsec: { mean: 50, p99: 200 },
    weight: 100,
    limits: [{ key: 'iops', rate: 10, limit: 10 }],
    share: null,
    pressure: 43,
    burstsLeft: {},
  });
  t.deepEqual(rows[2], {
    group: 'gold',
    member: 'web',
    reads: 750,
    writes: 0,
    readBytes: 3072000,
    writtenBytes: 0,
    queued: 0,
    inflight: 2,
    waitUsec: { mean: 250, p99: 500 },
    serviceUsec: { mean: 50, p99: 200 },
  });
});
