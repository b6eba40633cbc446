import test from 'ava';
import { formatInfo } from '../../src/cli/info-report.js';
import { parseGroups, parseIoStat } from '../../src/cli/io-stat.js';
import { formatStat } from '../../src/cli/stat-report.js';

const WEB =
  'web rbytes=1572864 wbytes=4096 rios=384 wios=1 dbytes=0 dios=0 ' +
  'wait_usec=2500000 queued=3 inflight=1';
const ZERO = 'rbytes=0 wbytes=0 rios=0 wios=0 dbytes=0 dios=0 wait_usec=0 queued=0 inflight=0';
const NOTHING = {
  rbytes: 0,
  wbytes: 0,
  rios: 0,
  wios: 0,
  dbytes: 0,
  dios: 0,
  wait_usec: 0,
  queued: 0,
  inflight: 0,
};

test('io.stat is a line for each member and a total', (t) => {
  const stat = parseIoStat(`${WEB}\ntotal ${ZERO}\n`);
  t.deepEqual(stat, {
    members: [
      {
        name: 'web',
        figures: {
          rbytes: 1_572_864,
          wbytes: 4096,
          rios: 384,
          wios: 1,
          dbytes: 0,
          dios: 0,
          wait_usec: 2_500_000,
          queued: 3,
          inflight: 1,
        },
      },
    ],
    total: NOTHING,
  });
});

test('members may be named with spaces, or total', (t) => {
  const stat = parseIoStat(`my disk ${ZERO}\ntotal ${ZERO}\ntotal rbytes=7\n`);
  t.deepEqual(
    stat.members.map((member) => member.name),
    ['my disk', 'total'],
  );
  t.is(stat.total.rbytes, 7);
});

test('keys of a later version are ignored', (t) => {
  t.deepEqual(parseIoStat(`total ${ZERO} new_key=3\n`), { members: [], total: NOTHING });
});

test('sluice stat prints a table and what is set, in the words of sluice set', (t) => {
  const groups = parseGroups([
    {
      path: '',
      files: {
        'io.stat': `total ${ZERO}\n`,
        'io.max': 'iops=max iops_size=0\n',
        'io.depth': '32\n',
        'io.cost': 'linear\n',
      },
    },
    {
      path: 'slow',
      files: {
        'io.stat': `${WEB}\n${WEB.replace('web', 'total')}\n`,
        'io.max': 'rbps=max wbps=max bps=max riops=max wiops=max iops=1000 iops_size=0\n',
        'io.burst': 'rbps=max wbps=max bps=max riops=max wiops=max iops=4000/5\n',
        'io.weight': 'default 80\n',
        'io.min': 'bps=1048576 iops=0\n',
        'io.latency': 'target=2000\n',
        'io.pressure':
          'some avg10=12.50 avg60=3.10 avg300=0.70 total=9\n' +
          'full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n',
      },
    },
  ]);
  const tail = '  WEIGHT  PRESSURE';
  t.is(
    formatStat(groups),
    [
      `GROUP  MEMBER      READ  WRITTEN  READS  WRITES  DISCARDED   WAITED  QUEUED  IN FLIGHT${tail}`,
      '/      (total)      0 B      0 B      0       0        0 B  0.000 s       0          0     100    0.00 %',
      'slow   web      1.5 MiB    4 KiB    384       1        0 B  2.500 s       3          1',
      'slow   (total)  1.5 MiB    4 KiB    384       1        0 B  2.500 s       3          1      80   12.50 %',
      '',
      'Limits and targets:',
      '/: depth=32',
      'slow: iops=1000 burst.iops=4000/5 min.bps=1048576 latency=2000',
      '',
    ].join('\n'),
  );
});

test('sluice stat --json has weight, bursts, minimum, latency, pressure, and the window of the root', (t) => {
  const [root, slow] = parseGroups([
    { path: '', files: { 'io.depth': 'auto 24\n', 'io.cost': 'ios\n' } },
    {
      path: 'slow',
      files: {
        'io.weight': 'default 80\n',
        'io.burst': 'bps=419430400/10\n',
        'io.min': 'bps=0 iops=5\n',
        'io.latency': 'target=max\n',
        'io.pressure': 'some avg10=1.25 avg60=2.50 avg300=0.01 total=77\n',
      },
    },
  ]);
  t.like(root, { weight: 100, latency: null, depth: 'auto 24', cost: 'ios' });
  t.like(slow, {
    weight: 80,
    bursts: { bps: '419430400/10' },
    minimum: { bps: '0', iops: '5' },
    latency: null,
    pressure: {
      some: { avg10: 1.25, avg60: 2.5, avg300: 0.01, total: 77 },
      full: { avg10: 0, avg60: 0, avg300: 0, total: 0 },
    },
  });
  t.false('depth' in (slow ?? {}));
});

test('sluice info prints sizes for people and in bytes', (t) => {
  const info = {
    path: '/srv/disk.img',
    format: 'raw',
    virtualSize: 1_048_576,
    hostSize: 1_048_570,
    allocated: 0,
    blockDevice: false,
    alignment: null,
    problems: ['something'],
    chain: null,
    features: null,
    snapshots: [],
    content: null,
  };
  t.is(
    formatInfo(info),
    [
      'image:      /srv/disk.img',
      'format:     raw',
      'kind:       regular file',
      'size:       1 MiB (1048576 bytes)',
      'host size:  1 MiB (1048570 bytes)',
      'on disk:    0 bytes',
      'alignment:  unknown',
      'problem:    something',
      '',
    ].join('\n'),
  );
});
