import test from 'ava';
import { checkPassthrough } from '../../src/cli/passthrough-option.js';
import { SluiceError } from '../../src/util/errors.js';
import { mountConfig } from '../helpers/mount-config.js';

type Asked = Parameters<typeof checkPassthrough>[0];

/** `sluice mount web.img db.img /mnt/s --growable --passthrough web`. */
function asked(more: Partial<Asked> = {}): Asked {
  const image = { path: '/srv/x.img', format: 'auto', backingFormats: [], snapshot: null };
  const images = ['web', 'db'].map((name) => ({ ...image, name }));
  const config = mountConfig({ images, growable: true, passthrough: ['web'] });
  return { ...config, ...more };
}

test('root may pass an image of a growable mount through, beside others that have groups', (t) => {
  t.notThrows(() => checkPassthrough(asked(), true));
  const assignments = [{ member: 'db', group: 'slow' }];
  t.notThrows(() => checkPassthrough(asked({ assignments }), true));
  t.notThrows(() => checkPassthrough(asked({ passthrough: [], growable: false }), false));
});

for (const [what, more, errno, exitCode, says] of [
  [
    'an unknown name',
    { passthrough: ['wbe'] },
    'ENOENT',
    2,
    /no image is named "wbe"; images: web, db$/,
  ],
  [
    'an overlay',
    { images: asked({}).images.map((image) => ({ ...image, overlay: '/srv/over.qcow2' })) },
    'EINVAL',
    2,
    /an overlay is not the bytes of its file/,
  ],
  [
    'an image that is read-only by itself',
    { images: asked({}).images.map((image) => ({ ...image, own: { readOnly: true } })) },
    'EROFS',
    2,
    /access time/,
  ],
  ['a read-only view', { readOnly: true }, 'EROFS', 2, /access time/],
  ['a size that is fixed', { growable: false }, 'EINVAL', 2, /add --growable$/],
  ['fuse-native', { transport: 'fuse-native' }, 'EOPNOTSUPP', 2, /use --transport uring$/],
  [
    'an image that has a group',
    { assignments: [{ member: 'web', group: 'slow' }] },
    'EBUSY',
    2,
    /no group can have it; leave out --assign web=slow$/,
  ],
] as const) {
  test(`passthrough of ${what} is refused`, (t) => {
    const check = () => checkPassthrough(asked(more as Partial<Asked>), true);
    const error = t.throws(check, { instanceOf: SluiceError });
    t.deepEqual([error?.errno, error?.exitCode], [errno, exitCode]);
    t.regex(error!.message, says);
  });
}

test('other users than root are refused, in one sentence', (t) => {
  const error = t.throws(() => checkPassthrough(asked(), false), { instanceOf: SluiceError });
  t.deepEqual([error?.errno, error?.exitCode], ['EPERM', 4]);
  t.is(error?.message, '--passthrough web: only root may hand files to the kernel; mount as root');
});

test('an assignment names the image with or without escapes', (t) => {
  const assignments = [{ member: String.raw`w\145b`, group: 'slow' }];
  t.is(t.throws(() => checkPassthrough(asked({ assignments }), true))?.name, 'SluiceError');
});
