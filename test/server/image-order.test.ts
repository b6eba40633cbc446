import test from 'ava';
import { formatOrder, type ImageOrder, parseOrder } from '../../src/server/image-order.js';

const ATTACH: ImageOrder = {
  kind: 'attach',
  image: {
    ...{ name: 'web', path: '/srv/web.img', format: 'auto', backingFormats: [], snapshot: null },
    named: { dataFiles: [], backingFiles: ['/srv/base.img'], untrusted: true },
  },
  overlay: null,
  options: { readOnly: true, partitions: { sectorSize: null } },
  assignments: [{ member: 'web', group: 'gold' }],
};
const DETACH: ImageOrder = { kind: 'detach', name: 'web', force: false };

const OVERLAY: ImageOrder = { kind: 'overlay', name: 'web', action: 'commit' };

for (const order of [ATTACH, DETACH, OVERLAY]) {
  test(`an order to ${order.kind} is written in a line and read back`, (t) => {
    const text = formatOrder('ab', order);
    t.notRegex(text, /\n/);
    t.deepEqual(parseOrder(text), { key: 'ab', order });
  });
}

const { image } = ATTACH as Extract<ImageOrder, { kind: 'attach' }>;

for (const [what, order] of [
  ['no order', null],
  ['an unknown kind', { ...DETACH, kind: 'drop' }],
  ['a field too few', { kind: 'detach', name: 'web' }],
  ['a field too many', { ...DETACH, more: 1 }],
  ['a field of another type', { ...DETACH, force: 'yes' }],
  ['a relative path', { ...ATTACH, image: { ...image, path: 'web.img' } }],
  ['a name with a slash', { ...ATTACH, image: { ...image, name: '../web' } }],
  ['a name that begins with a dot', { ...ATTACH, image: { ...image, name: '.groups' } }],
  ['an option that is not one of an image', { ...ATTACH, options: { allowOther: true } }],
  ['an overlay by a relative path', { ...ATTACH, overlay: 'discarded' }],
  ['an action that there is not', { ...OVERLAY, action: 'drop' }],
  ['a negative size', { ...ATTACH, options: { metadataCache: -1 } }],
  ['a cache of nothing', { ...ATTACH, options: { metadataCache: 0 } }],
  ['a cache of 8 PiB', { ...ATTACH, options: { metadataCache: Number.MAX_SAFE_INTEGER } }],
  ['sectors that no disk has', { ...ATTACH, options: { partitions: { sectorSize: 3 } } }],
  ['a name of Object', { ...ATTACH, options: { __proto__: null, constructor: 1 } }],
] as const) {
  test(`refused: ${what}`, (t) => {
    t.throws(() => parseOrder(JSON.stringify({ key: 'ab', order })), { message: /^not an order / });
  });
}

test('refused: what is no JSON, or has no key', (t) => {
  t.throws(() => parseOrder('web'), {
    message: 'not an order; use sluice attach and sluice detach',
  });
  t.throws(() => parseOrder(JSON.stringify({ order: DETACH })), { message: /^not an order / });
});
