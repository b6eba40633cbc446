import test, { type ExecutionContext } from 'ava';
import { buildMountConfig } from '../../src/cli/mount-config.js';
import type { MountArguments } from '../../src/cli/mount-options.js';
import { formats } from '../../src/image/formats.js';
import { SluiceError } from '../../src/util/errors.js';

const HOME = '/home/me';
const FORMATS = formats().map(({ name }) => name);

function build(args: Partial<MountArguments>, paths = ['disk.img', 'mnt']) {
  return buildMountConfig({ paths, ...args }, HOME);
}

function refuses(t: ExecutionContext, run: () => unknown, message: string, errno = 'EINVAL') {
  const error = t.throws(run, { instanceOf: SluiceError, message });
  t.is(error?.errno, errno);
  t.is(error?.exitCode, 2);
}

test('an image and a mount point get the documented defaults', (t) => {
  t.deepEqual(build({}), {
    mountpoint: '/home/me/mnt',
    images: [
      {
        name: 'disk',
        path: '/home/me/disk.img',
        format: 'auto',
        backingFormats: [],
        snapshot: null,
        named: { dataFiles: [], backingFiles: [], untrusted: false },
      },
    ],
    groups: [],
    assignments: [],
    readOnly: false,
    growable: false,
    passthrough: [],
    partitions: { sectorSize: null },
    direct: true,
    nbd: { timeoutMs: 30_000, connections: 4 },
    metadataCache: 16777216,
    cache: 'none',
    depth: 'auto',
    transport: 'auto',
    untrusted: false,
    pollUs: 50,
    allowOther: false,
    owner: null,
    mode: null,
    mountOptions: [],
    verbose: false,
    foreground: false,
    keeper: false,
    metrics: null,
    metricsToken: null,
    logFile: null,
    source: null,
  });
});

test('every option reaches the configuration', (t) => {
  const named = {
    dataFiles: ['/home/me/data.bin'],
    backingFiles: ['/home/me/base.img', '/srv/base.img'],
    untrusted: true,
  };
  const config = build(
    {
      group: ['slow:iops=1000', 'fast'],
      assign: ['a=slow'],
      'read-only': true,
      format: 'raw,qcow2,raw',
      snapshot: '1',
      untrusted: true,
      'data-file': ['data.bin'],
      'backing-file': ['base.img', '/srv/base.img'],
      'metadata-cache': '4M',
      'nbd-timeout': '5',
      'nbd-connections': '2',
      'sector-size': '4K',
      growable: true,
      passthrough: ['b', 'a', 'b'],
      cache: 'page',
      direct: false,
      depth: '32',
      transport: 'uring',
      'poll-us': '0',
      'allow-other': true,
      owner: '1000:100',
      mode: '660',
      foreground: true,
      keeper: true,
      metrics: '[::1]:9464',
      log: 'sluice.log',
      verbose: true,
      o: ['noatime,nodev'],
    },
    ['a=one.img', 'b=/srv/two.img', '/mnt/s'],
  );
  t.deepEqual(config, {
    mountpoint: '/mnt/s',
    images: [
      {
        name: 'a',
        path: '/home/me/one.img',
        format: 'raw',
        backingFormats: ['qcow2', 'raw'],
        snapshot: '1',
        named,
      },
      {
        name: 'b',
        path: '/srv/two.img',
        format: 'raw',
        backingFormats: ['qcow2', 'raw'],
        snapshot: '1',
        named,
      },
    ],
    groups: [
      { path: 'slow', changes: { limits: { iops: 1000 } } },
      { path: 'fast', changes: {} },
    ],
    assignments: [{ member: 'a', group: 'slow' }],
    readOnly: true,
    growable: true,
    passthrough: ['b', 'a'],
    partitions: { sectorSize: 4096 },
    direct: false,
    nbd: { timeoutMs: 5000, connections: 2 },
    metadataCache: 4194304,
    cache: 'page',
    depth: 32,
    transport: 'uring',
    untrusted: true,
    pollUs: 0,
    allowOther: true,
    owner: { uid: 1000, gid: 100 },
    mode: 0o660,
    mountOptions: ['noatime,nodev'],
    verbose: true,
    foreground: true,
    keeper: true,
    metrics: { host: '::1', port: 9464 },
    metricsToken: null,
    logFile: '/home/me/sluice.log',
    source: null,
  });
});

test('an overlay and a cache are those of the one image', (t) => {
  const { images } = build({ overlay: 'over.qcow2', 'cache-file': 'near' });
  t.deepEqual(
    images.map(({ path, overlay, cacheFile }) => [path, overlay, cacheFile]),
    [['/home/me/disk.img', '/home/me/over.qcow2', '/home/me/near']],
  );
  const two = () => build({ overlay: 'o' }, ['a.img', 'b.img', 'mnt']);
  refuses(t, two, '--overlay: takes one image; mount the others elsewhere');
  const near = () => build({ 'cache-file': 'o' }, ['a.img', 'b.img', 'mnt']);
  refuses(t, near, '--cache-file: takes one image; mount the others elsewhere');
  const temporary = build({ overlay: 'discard' }, ['a.img', 'b.img', 'mnt']).images;
  t.deepEqual(
    temporary.map(({ overlay }) => overlay),
    ['discard', 'discard'],
  );
});

test('without an image or a mount point the order is told', (t) => {
  const message =
    'name at least one image, or --empty, and, last, the mount point: sluice mount disk.img /mnt/s';
  refuses(t, () => build({}, []), message);
  refuses(t, () => build({}, ['disk.img']), message);
});

test('two images of one name are refused, naming both and the remedy', (t) => {
  refuses(
    t,
    () => build({}, ['a/disk.img', 'b/disk.raw', 'mnt']),
    '/home/me/b/disk.raw: the name "disk" is taken by /home/me/a/disk.img; ' +
      'give one of them another name with NAME=IMAGE',
  );
});

test('the same path twice is refused as such', (t) => {
  refuses(
    t,
    () => build({}, ['disk.img', './disk.img', 'mnt']),
    '/home/me/disk.img: given twice; an image can be mounted once',
  );
});

test('ro and allow_other of -o mean the options of that name', (t) => {
  t.true(build({ o: ['ro'] }).readOnly);
  t.false(build({ o: ['ro,rw'] }).readOnly);
  t.true(build({ 'read-only': true, o: ['rw'] }).readOnly);
  t.true(build({ o: ['noatime', 'allow_other'] }).allowOther);
});

test('an unknown word of -o is refused', (t) => {
  refuses(
    t,
    () => build({ o: ['bogus'] }),
    'mount option "bogus" is not known; see mount(8) and mount.fuse3(8)',
  );
});

test('words that this version does not have are refused with those it has', (t) => {
  const cases: [Partial<MountArguments>, string][] = [
    [
      { format: 'ewf' },
      `--format ewf: not known to this version, which has auto, ${FORMATS.join(', ')}`,
    ],
    [
      { format: 'raw,auto' },
      `--format raw,auto: not known to this version, which has ${FORMATS.join(', ')} for backing files`,
    ],
    [{ cache: 'all' }, '--cache all: not known to this version, which has none, page'],
    [
      { transport: 'virtiofs' },
      '--transport virtiofs: not known to this version, which has auto, uring, fuse-uring, fuse-native',
    ],
  ];
  for (const [args, message] of cases) refuses(t, () => build(args), message);
});

test('--depth takes auto and 1 to 4096', (t) => {
  t.is(build({ depth: 'auto' }).depth, 'auto');
  t.is(build({ depth: '1' }).depth, 1);
  t.is(build({ depth: '4096' }).depth, 4096);
  const expected = 'expected auto, or a number from 1 to 4096';
  refuses(t, () => build({ depth: '0' }), '--depth: "0": not from 1 to 4096', 'ERANGE');
  refuses(t, () => build({ depth: '4097' }), '--depth: "4097": not from 1 to 4096', 'ERANGE');
  refuses(t, () => build({ depth: '-1' }), `--depth: "-1": ${expected}`);
  refuses(t, () => build({ depth: 'deep' }), `--depth: "deep": ${expected}`);
});

test('--poll-us takes 0 to a second', (t) => {
  t.is(build({ 'poll-us': '1000000' }).pollUs, 1_000_000);
  const expected = 'expected a number from 0 to 1000000';
  refuses(t, () => build({ 'poll-us': '1000001' }), `--poll-us 1000001: ${expected}`, 'ERANGE');
  refuses(t, () => build({ 'poll-us': '1.5' }), `--poll-us 1.5: ${expected}`);
  refuses(t, () => build({ 'poll-us': '' }), `--poll-us : ${expected}`);
});

test('exports of NBD servers are named like files, and may wait for a day', (t) => {
  const [image] = build({}, ['nbd://host/vm/web.img', '/mnt/s']).images;
  t.deepEqual([image!.name, image!.path], ['web', 'nbd://host/vm/web.img']);
  t.is(build({}, ['nbd://host', '/mnt/s']).images[0]!.name, 'nbd');
  t.is(build({}, ['a=nbd+unix:///b?socket=/s', '/mnt/s']).images[0]!.name, 'a');
  refuses(
    t,
    () => build({}, ['nbd+unix:///b', '/mnt/s']),
    'nbd+unix:///b: socket=PATH with an absolute path must name the socket',
  );
  t.is(build({ 'nbd-timeout': '86400' }).nbd.timeoutMs, 86_400_000);
  const expected = 'expected a number from 1 to 16';
  refuses(
    t,
    () => build({ 'nbd-connections': '17' }),
    `--nbd-connections 17: ${expected}`,
    'ERANGE',
  );
});

test('partitions are shown unless the user does not want them', (t) => {
  t.is(build({ partitions: false }).partitions, null);
  const both = { partitions: false, 'sector-size': '512' };
  refuses(t, () => build(both), '--sector-size: goes with partitions');
  const text = '--sector-size 2K: expected 512 or 4096';
  refuses(t, () => build({ 'sector-size': '2K' }), text);
});

test('the token of the page is in a file, and there is a page', (t) => {
  const paths = ['/d/disk.img', '/mnt'];
  const words = { metrics: '9464', 'metrics-write': 'token' };
  t.is(build(words, paths).metricsToken, '/home/me/token');
  t.throws(() => build({ 'metrics-write': 'token' }, paths), {
    message: '--metrics-write: the page that it is for needs --metrics',
  });
});

test('metrics are at a port of the loopback address if no other is given', (t) => {
  const paths = ['a.img', '/mnt/s'];
  const at = (metrics: string) => build({ metrics }, paths).metrics;
  t.deepEqual(at('9464'), { host: '127.0.0.1', port: 9464 });
  t.deepEqual(at('localhost:1'), { host: 'localhost', port: 1 });
  t.deepEqual(at('0.0.0.0:65535'), { host: '0.0.0.0', port: 65535 });
  for (const text of [
    '0',
    '65536',
    'x',
    ':9464',
    '::1:9464',
    'a b:9464',
    '127.0.0.1:',
    'http://x:1',
  ]) {
    t.throws(() => at(text), {
      message: `--metrics ${text}: expected [HOST:]PORT such as 127.0.0.1:9464`,
    });
  }
});

test('a mount without an image', (t) => {
  t.deepEqual(
    buildMountConfig({ paths: ['mnt'], empty: true, untrusted: true }, '/home/me').images,
    [],
  );
  const refused = (own: object, message: string): void => {
    t.throws(() => buildMountConfig({ paths: ['mnt'], empty: true, ...own }, '/'), { message });
  };
  refused({ paths: ['a.img', 'mnt'] }, '--empty: there is an image, a.img; leave one out');
  refused({ format: 'raw' }, '--empty: --format is about an image; give it to sluice attach');
  refused(
    { passthrough: ['a'] },
    '--empty: --passthrough is about an image; give it to sluice attach',
  );
  refused({ assign: ['a=/'] }, '--assign a=/: no image is named "a"; images: none');
});
