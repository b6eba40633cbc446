import test from 'ava';
import { configOf } from '../../src/api/mount.js';
import { mountConfig } from '../helpers/mount-config.js';

const AT = { mountpoint: '/mnt/s' };

test('a mount without options is that of the command line without options', (t) => {
  const { images, ...others } = configOf(['web=/srv/a.img', '/srv/b.img'], AT);
  t.deepEqual({ ...others, images: [] }, mountConfig(AT));
  const named = { dataFiles: [], backingFiles: [], untrusted: false };
  const plain = { format: 'auto', snapshot: null, backingFormats: [], named };
  t.deepEqual(images, [
    { ...plain, name: 'web', path: '/srv/a.img' },
    { ...plain, name: 'b', path: '/srv/b.img' },
  ]);
});

test('options of the mount, of images and of groups are where the daemon looks for them', (t) => {
  const config = configOf(
    [
      { path: '/srv/a.img', overlay: 'discard', readOnly: false, assign: { a: 'gold' } },
      { path: 'nbd://host/disk', untrusted: false },
      { path: 'b.qcow2', name: 'vm', overlay: 'b.over', backingFiles: ['base.img'] },
    ],
    {
      ...AT,
      groups: { gold: { bps: '10M', weight: 80 }, '/': { depth: 64 } },
      assign: { 'uid:1000': '/team/' },
      ...{ readOnly: true, untrusted: true, metadataCache: 1 << 20, pollUs: 0, nbdTimeout: 5 },
      ...{ o: ['noatime'], passthrough: [], mode: '0660', depth: 8 },
    },
  );
  const here = process.cwd();
  t.like(config.images[0], { name: 'a', overlay: 'discard', own: { readOnly: false } });
  t.true(config.images[0]!.named!.untrusted);
  t.like(config.images[1], { name: 'disk', path: 'nbd://host/disk', named: { untrusted: false } });
  t.like(config.images[2], {
    ...{ name: 'vm', path: `${here}/b.qcow2`, overlay: `${here}/b.over` },
    named: { backingFiles: [`${here}/base.img`] },
  });
  t.deepEqual(config.assignments, [
    { member: 'uid:1000', group: 'team' },
    { member: 'a', group: 'gold' },
  ]);
  t.deepEqual(
    config.groups.map(({ path }) => path),
    ['gold', ''],
  );
  t.like(config, { readOnly: true, untrusted: true, metadataCache: 1 << 20, pollUs: 0, depth: 8 });
  t.deepEqual(config.mountOptions, ['noatime']);
  t.is(config.nbd.timeoutMs, 5000);
  t.is(config.mode, 0o660);
});

test('groups have the names of libvirt and Cinder for their keys, too', (t) => {
  const { groups } = configOf([], {
    ...AT,
    groups: { gold: { total_bytes_sec: 9, member: ['uid:1'] } },
  });
  t.like(groups[0], { path: 'gold', changes: { limits: { bps: 9 } } });
});

for (const [images, options, message] of [
  [[], {}, 'mountpoint: name an existing directory'],
  [[], undefined, 'mountpoint: name an existing directory'],
  [[], { ...AT, readonly: true }, 'readonly: there is no such option; did you mean readOnly?'],
  [[], { ...AT, 'read-only': true }, 'read-only: there is no such option; did you mean readOnly?'],
  [[], { ...AT, foreground: true }, 'foreground: there is no such option'],
  [
    [],
    { ...AT, overlay: 'x' },
    'overlay: there is no such option; images have it: { path, overlay }',
  ],
  [
    [],
    { ...AT, cacheFile: 'x' },
    'cacheFile: there is no such option; images have it: { path, cacheFile }',
  ],
  [[], { ...AT, groups: null }, 'groups: expected an object'],
  [[], { ...AT, groups: { gold: null } }, /^groups\.gold: expected an object; /],
  [[], { ...AT, assign: { 'uid:1': 7 } }, 'assign.uid:1: expected a text'],
  [[], { ...AT, pollUs: -1 }, /^pollUs -1: /],
  [[], { ...AT, readOnly: 'yes' }, 'readOnly: expected true or false'],
  [[], { ...AT, o: 'ro' }, 'o: expected a list of texts'],
  [[], { ...AT, metadataCache: [] }, 'metadataCache: expected a text'],
  [[], { ...AT, cache: 'all' }, /^cache all: /],
  [[], { ...AT, groups: { gold: { bps: 'x' } } }, /^groups\.gold: /],
  [[], { ...AT, groups: { gold: { weigth: 1 } } }, /^groups\.gold: /],
  [[], { ...AT, assign: { 'uid:x y': 'gold' } }, /^assign\.uid:x y: /],
  [[{}], AT, 'an image: its path is missing'],
  [[null], AT, 'an image: its path is missing'],
  [[{ path: '/a', ro: true }], AT, /^an image: there is no key "ro"; /],
  [[{ path: '/a', nme: 'b' }], AT, 'an image: there is no key "nme"; did you mean name?'],
  [['/a.img', { path: '/b', name: 'a' }], AT, /the name "a" is taken by \/a\.img/],
] as const) {
  test(`refused: ${JSON.stringify([images, options])}`, (t) => {
    t.throws(() => configOf(images as never, options as never), {
      ...(typeof message === 'string' ? { message } : { message }),
      name: 'SluiceError',
    });
  });
}
