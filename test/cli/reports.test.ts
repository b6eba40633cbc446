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

test('sluice stat prints a table and the limits that are set', (t) => {
  const groups = parseGroups([
    { path: '', files: { 'io.stat': `total ${ZERO}\n`, 'io.max': 'iops=max iops_size=0\n' } },
    {
      path: 'slow',
      files: {
        'io.stat': `${WEB}\n${WEB.replace('web', 'total')}\n`,
        'io.max': 'rbps=max wbps=max bps=max riops=max wiops=max iops=1000 iops_size=0\n',
      },
    },
  ]);
  t.is(
    formatStat(groups),
    [
      'GROUP  MEMBER      READ  WRITTEN  READS  WRITES  DISCARDED   WAITED  QUEUED  IN FLIGHT',
      '/      (total)      0 B      0 B      0       0        0 B  0.000 s       0          0',
      'slow   web      1.5 MiB    4 KiB    384       1        0 B  2.500 s       3          1',
      'slow   (total)  1.5 MiB    4 KiB    384       1        0 B  2.500 s       3          1',
      '',
      'Limits a second:',
      'slow: iops=1000',
      '',
    ].join('\n'),
  );
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
