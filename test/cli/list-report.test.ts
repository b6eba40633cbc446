import test from 'ava';
import { formatList } from '../../src/cli/list-report.js';
import type { ListedMount } from '../../src/server/list-mounts.js';

const MOUNT: ListedMount = {
  ...{ mountpoint: '/mnt/s', state: 'alive', pid: 42, version: '1', transport: 'uring' },
  keeper: 'yes',
  ...{ ageSeconds: 3 * 86400 + 4 * 3600 + 59, requestsPerSecond: 1234.6, images: [] },
};
const IMAGE = { format: 'raw', readOnly: false, passthrough: false, faults: null };
const FAULTS = { words: 'error=1%', failed: 3, delayed: 0 };
const CACHE = { path: '/var/far', kept: 512, fromCache: 0, fromServer: 512, isGrowing: true };
const SILENT = {
  pid: null,
  version: null,
  transport: null,
  keeper: null,
  ageSeconds: null,
  requestsPerSecond: null,
};

test('a line for each image, and for a mount without any', (t) => {
  const images = [
    { name: 'web', path: '/srv/web.img', size: 1 << 30, ...IMAGE },
    { name: 'a\tb', path: '/srv/a\nb', size: 512, ...IMAGE },
    { ...IMAGE, name: 'db', path: '/srv/db', size: 512, faults: FAULTS },
    { ...IMAGE, name: 'far', path: 'nbd://h/far', size: 512, cache: CACHE },
  ];
  const dead: ListedMount = { ...MOUNT, ...SILENT, mountpoint: '/mnt/d', state: 'dead' };
  t.is(
    formatList([{ ...MOUNT, images }, { ...MOUNT, ageSeconds: 6, requestsPerSecond: 0 }, dead]),
    [
      'MOUNT   PID  TRANSPORT  KEEPER   AGE  REQUESTS/S  IMAGE   SIZE  PATH',
      '/mnt/s   42  uring      yes     3d4h        1235  web    1 GiB  /srv/web.img',
      '/mnt/s   42  uring      yes     3d4h        1235  a\\tb   512 B  /srv/a\\nb',
      '/mnt/s   42  uring      yes     3d4h        1235  db     512 B  /srv/db (FAULTS: error=1%)',
      '/mnt/s   42  uring      yes     3d4h        1235  far    512 B  nbd://h/far (cache: /var/far)',
      '/mnt/s   42  uring      yes       6s           0  -          -  (no image)',
      '/mnt/d    -  -          -          -           -  -          -  (its daemon is gone; remove it with sluice umount)',
      '',
    ].join('\n'),
  );
});

test('nothing without a mount', (t) => {
  t.is(formatList([]), '');
});

for (const [seconds, text] of [
  [0, '0s'],
  [59, '59s'],
  [60, '1m0s'],
  [3661, '1h1m'],
  [86399, '23h59m'],
] as const) {
  test(`an age of ${seconds} s is ${text}`, (t) => {
    t.true(formatList([{ ...MOUNT, ageSeconds: seconds }]).includes(`  ${text}  `));
  });
}
