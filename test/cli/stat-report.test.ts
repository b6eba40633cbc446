import test from 'ava';
import { formatFaulty, formatStat } from '../../src/cli/stat-report.js';
import { parseGroup } from '../../src/tree/reports.js';

const WEB =
  'web rbytes=1572864 wbytes=4096 rios=384 wios=1 dbytes=0 dios=0 ' +
  'wait_usec=2500000 waits=2 queued=3 inflight=1';
const ZERO =
  'rbytes=0 wbytes=0 rios=0 wios=0 dbytes=0 dios=0 wait_usec=0 waits=0 queued=0 inflight=0';
test('a long name moves its own row, not the figures of all', (t) => {
  const [, title, root, long] = formatStat(
    ['', 'g'.repeat(200)].map((path) => parseGroup(path, { 'io.stat': `total ${ZERO}\n` })),
    [],
  ).split('\n');
  t.is(title!.indexOf('MEMBER'), 26);
  t.is(root!.indexOf('(total)'), 26);
  t.is(long!.indexOf('(total)'), 202);
});

test('sluice stat prints a table and what is set, in the words of sluice set', (t) => {
  const groups = [
    parseGroup('', {
      'io.stat': `total ${ZERO}\n`,
      'io.max': 'iops=max iops_size=0\n',
      'io.depth': '32\n',
      'io.cost': 'linear\n',
    }),
    parseGroup('slow', {
      'io.stat': `${WEB}\n${WEB.replace('web', 'total')}\n`,
      'io.times':
        'web op=read span=second requests=4000 bytes=16384000 wait_mean=4000 wait_p99=20000 service_mean=90 service_p99=300\n' +
        'web op=write span=second requests=100 bytes=400000 wait_mean=0 wait_p99=0 service_mean=90 service_p99=2100\n',
      'io.max': 'rbps=max wbps=max bps=max riops=max wiops=max iops=1000 iops_size=0\n',
      'io.per_gb':
        'rbps=1048576/3145728 riops=3/1024\nbytes=3221225472 now.rbps=3145728 now.riops=1024\n',
      'io.burst': 'rbps=max wbps=max bps=max riops=max wiops=max iops=4000/5\n',
      'io.weight': 'default 80\n',
      'io.min': 'bps=1048576 iops=0\n',
      'io.latency': 'target=2000\n',
      'io.pressure':
        'some avg10=12.50 avg60=3.10 avg300=0.70 total=9\n' +
        'full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n',
    }),
  ];
  const [now, ...since] = formatStat(groups, []).split('\n\n');
  t.deepEqual(now!.split('\n'), [
    'In the last second:',
    'GROUP  MEMBER      READING      WRITING  REQUESTS    WAIT  WAIT P99  SERVICE  SERVICE P99  QUEUED  IN FLIGHT',
    '/      (total)       0 B/s        0 B/s       0/s       -         -        -            -       0          0',
    'slow   web      15.6 MiB/s  390.6 KiB/s    4.1k/s  3.9 ms     20 ms    90 us       2.1 ms       3          1',
    'slow   (total)       0 B/s        0 B/s       0/s       -         -        -            -       3          1',
  ]);
  t.is(
    since.join('\n\n'),
    [
      'Since the mount:',
      'GROUP  MEMBER      READ  WRITTEN  DISCARDED  REQUESTS  HELD BACK  MEAN WAIT  WEIGHT  PRESSURE',
      '/      (total)      0 B      0 B        0 B         0          -          -     100    0.00 %',
      'slow   web      1.5 MiB    4 KiB        0 B       385      0.5 %     6.5 ms',
      'slow   (total)  1.5 MiB    4 KiB        0 B       385      0.5 %     6.5 ms      80   12.50 %',
      '',
      'Limits and targets:',
      '/: depth=32',
      'slow: iops=1000 per_gb.rbps=1M/3M per_gb.riops=3/1024 burst.iops=4000/5 min.bps=1M latency=2000 (3G of images: rbps=3M riops=1024)',
      '',
    ].join('\n'),
  );
});

test('sluice stat names the images that are passed through, below all groups', (t) => {
  const image = { path: '/srv/x', format: 'raw', size: 512, readOnly: false, faults: null };
  const images = ['fast', 'slow', 'faster'].map((name) => {
    return { ...image, name, passthrough: name !== 'slow' };
  });
  const group = parseGroup('', { 'io.stat': `total ${ZERO}\n` });
  const last = formatStat([group], images).split('\n').slice(-3);
  t.deepEqual(last, ['', 'Passed through, neither counted nor limited: fast, faster', '']);
});

test('sluice stat tells of the caches of exports', (t) => {
  const image = { format: 'raw', size: 512, readOnly: false, passthrough: false, faults: null };
  const cache = { path: '/var/far', kept: 3 << 20, fromCache: 5 * 2 ** 30, fromServer: 512 };
  const images = [
    { ...image, name: 'far', path: 'nbd://h/far', cache: { ...cache, isGrowing: true } },
    { ...image, name: 'web', path: '/srv/web' },
    { ...image, name: 'full', path: 'nbd://h/full', cache: { ...cache, isGrowing: false } },
  ];
  const group = parseGroup('', { 'io.stat': `total ${ZERO}\n` });
  const what = '/var/far: 3 MiB kept, 5 GiB read from it, 512 B from the server';
  t.deepEqual(formatStat([group], images).split('\n').slice(-5), [
    ...['', 'Caches of exports:', `far: ${what}`, `full: ${what}; it takes no more`, ''],
  ]);
});

test('sluice stat says in capitals which images have faults on purpose', (t) => {
  const image = { path: '/srv/x', format: 'raw', size: 512, readOnly: false, passthrough: false };
  const faults = { words: 'read.error=1%,seed=7', failed: 3, delayed: 0 };
  const images = [
    { ...image, name: 'db', faults },
    { ...image, name: 'web', faults: null },
  ];
  const group = parseGroup('', { 'io.stat': `total ${ZERO}\n` });
  const last = formatStat([group], images).split('\n').slice(-4);
  const line = 'db: read.error=1%,seed=7; 3 requests failed, 0 delayed';
  t.deepEqual(last, ['', 'FAULTS ON PURPOSE:', line, '']);
  t.is(formatFaulty(images[1]!), 'web: off\n');
});
