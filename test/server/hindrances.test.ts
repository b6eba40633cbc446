import test from 'ava';
import { checkHandOver, checkKept, type Going, hindranceOf } from '../../src/server/hindrances.js';
import { SluiceError } from '../../src/util/errors.js';
import { mountConfig } from '../helpers/mount-config.js';
import { requires } from '../helpers/requires.js';

const linuxTest = requires('resend');

function disk(own: object = {}, files: object[] = [{}]): Going['disks'][number] {
  const common = { name: 'web', path: '/web.img', format: 'raw', readOnly: false };
  return { ...common, image: { files }, ...own } as never;
}

function going(own: Partial<Going> = {}): Going {
  return { config: mountConfig({}), transport: 'uring', disks: [disk()], ...own };
}

const QCOW2 = disk({ format: 'qcow2', path: '/vm.qcow2' });
const VHD = disk({ format: 'vhd', path: '/vm.vhd' });
const READ_ONLY = disk({ format: 'vdi', readOnly: true });

linuxTest('raw and qcow2 images and those that are only read can be kept', (t) => {
  t.notThrows(() => checkKept(going({ disks: [disk(), QCOW2, READ_ONLY] })));
  for (const one of [QCOW2, disk(), READ_ONLY]) t.is(hindranceOf(one), null);
});

linuxTest('a daemon that lives can hand written qcow2 images over, too', (t) => {
  t.notThrows(() => checkHandOver(going({ disks: [disk(), QCOW2, READ_ONLY] }), false));
  t.notThrows(() => checkHandOver(going({ config: mountConfig({ foreground: true }) }), true));
});

const KEPT_NOT: readonly [string, Partial<Going>, string][] = [
  [
    'another transport',
    { transport: 'fuse-uring' },
    'the transport is fuse-uring, and uring is needed',
  ],
  [
    'the foreground',
    { config: mountConfig({ foreground: true }) },
    'a mount in the foreground is started again by whoever has started it',
  ],
  [
    'a format without a redo log',
    { disks: [disk(), VHD] },
    '/vm.vhd is vhd and written, so a part of it would die with the daemon',
  ],
  ['passthrough', { disks: [disk({ backing: 9 })] }, '/web.img is passed through'],
  [
    'an export that is only read',
    { disks: [disk({ readOnly: true }, [{}, { nbd: {} }])] },
    '/web.img is an export of an NBD server',
  ],
];

for (const [title, own, why] of KEPT_NOT) {
  linuxTest(`${title} cannot be kept`, (t) => {
    const error = t.throws(() => checkKept(going(own)), { instanceOf: SluiceError });
    t.is(error?.message, `--keeper: ${why}; leave it out`);
    t.is(error?.exitCode, 2);
  });
}

test('an image that comes later is looked at by itself', (t) => {
  t.regex(hindranceOf(VHD) ?? '', /^\/vm.vhd is vhd and written/);
});
