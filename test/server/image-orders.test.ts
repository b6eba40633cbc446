import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import type { ImageChange, ImageOutcome } from '../../src/plane/image-changes.js';
import type { MountConfig } from '../../src/server/config.js';
import { formatOrder, type ImageOrder } from '../../src/server/image-order.js';
import { ImageOrders, type ImageOrdersParts } from '../../src/server/image-orders.js';
import { type OpenImage, OpenImages } from '../../src/server/open-images.js';
import type { LiveImage } from '../../src/server/open-live.js';
import { EXIT_IMAGE, SluiceError } from '../../src/util/errors.js';
import { mountConfig } from '../helpers/mount-config.js';
import { tempFolder } from '../helpers/temp.js';

const NBD = mountConfig({}).nbd;
const DETACH: ImageOrder = { kind: 'detach', name: 'web', force: false };
const GOOD: ImageOutcome = { error: null, isThere: true, stale: [], image: null };
const GONE: ImageOutcome = {
  error: null,
  isThere: false,
  image: null,
  stale: [
    { name: 'web.raw', node: 0 },
    { name: 'web.p1.raw', node: 0 },
  ],
};

function attach(options = {}): ImageOrder {
  const image = {
    name: 'web',
    path: '/web.img',
    format: 'auto',
    backingFormats: [],
    snapshot: null,
  };
  return { kind: 'attach', image, overlay: null, options, assignments: [] };
}

function opened(name: string): OpenImage {
  const disk = { name, path: `/${name}.img` } as OpenImage['disk'];
  return { disk, identity: `file ${name}`, descriptors: [], locked: [], holds: [] };
}

function rig(own: Partial<ImageOrdersParts> = {}, config: Partial<MountConfig> = {}) {
  const steps: string[] = [];
  const asked: LiveImage[] = [];
  const note = (text: string): void => void steps.push(text);
  const images = new OpenImages([opened('first')]);
  const parts: ImageOrdersParts = {
    config: mountConfig(config),
    images,
    opener: {
      open: async (image, warn) => {
        asked.push(image);
        warn('/web.img: somebody reads it');
        return { image: opened('web'), madeOverlay: null };
      },
      change: async ({ action, image }, warn) => {
        note(`${action} ${image.overlay ?? image.path}`);
        warn('/base.img: its bitmap is lost');
      },
    },
    groupsOf: (image) => (image === 'web' ? [{ member: 'web', group: 'gold' }] : []),
    key: { fits: (key) => key === 'right' },
    log: { info: note, warn: note, error: note },
    change: async (change: ImageChange) => {
      note(change.kind);
      return change.kind === 'attach' ? GOOD : GONE;
    },
    notify: async ({ name, node }) => note(`forget ${name} ${node}`),
    isServing: () => true,
    reload: async () => note('reload'),
    keepsOpen: false,
    keep: async () => {},
    sleep,
    ...own,
  };
  const orders = new ImageOrders(parts);
  const take = async (order: ImageOrder, key = 'right') => {
    const { text, errno, reason } = await orders.take(formatOrder(key, order));
    return { ...JSON.parse(text), errno, reason };
  };
  const names = (): string[] => images.disks.map(({ name }) => name);
  return { orders, steps, asked, take, names };
}

test('an image comes and goes, and the kernel is told of what is gone', async (t) => {
  const { take, steps, names } = rig();
  const came = await take(attach());
  t.deepEqual(came, {
    error: null,
    warnings: ['/web.img: somebody reads it'],
    errno: null,
    reason: '',
  });
  t.deepEqual(names(), ['first', 'web']);
  t.is((await take(DETACH)).errno, null);
  t.deepEqual(names(), ['first']);
  const [made, told] = ['attach', 'attached /web.img as web'];
  const gone = ['detach', 'forget web.raw 0', 'forget web.p1.raw 0', 'detached /web.img'];
  t.deepEqual(steps, [made, told, ...gone]);
});

test('options that are not given are those of the mount, also what images may name', async (t) => {
  const mount = { readOnly: true, untrusted: true, direct: false, mode: 0o640 };
  const { take, asked } = rig({}, mount);
  await take(attach({ direct: true, growable: true }));
  const { images, ...options } = asked[0]!.options;
  t.deepEqual(options, {
    ...{ readOnly: true, growable: true, direct: true, metadataCache: 16777216, mode: 0o640 },
    ...{ partitions: { sectorSize: null }, owner: null, passthrough: [], nbd: NBD, keeper: false },
  });
  t.true(images[0]!.named!.untrusted);
  t.deepEqual(asked[0]!.mounted, [{ identity: 'file first', name: 'first', path: '/first.img' }]);
  await take(attach({ untrusted: false }));
  t.false(asked[1]!.options.images[0]!.named!.untrusted);
});

test('an image cannot be written in a mount that the kernel has as read-only', async (t) => {
  const { take, asked } = rig({}, { mountOptions: ['noatime,ro'], readOnly: true });
  t.is(
    (await take(attach({ readOnly: false }))).reason,
    '--no-read-only: the mount is read-only by -o ro',
  );
  t.is((await take(attach())).errno, null);
  t.is(asked.length, 1);
});

test('who has not the key, and who comes while the mount ends, gets an error', async (t) => {
  const { take, steps } = rig();
  const { errno, error } = await take(attach(), 'wrong');
  t.is(errno, 'EACCES');
  t.is(error.exitCode, 4);
  t.deepEqual(steps, []);
  const ending = rig({ isServing: () => false });
  t.is((await ending.take(attach())).reason, 'the mount is ending');
  t.is((await ending.orders.take('{}')).errno, 'EINVAL');
});

test('the error of a file has its exit code; an errno of the host is not that of the write', async (t) => {
  const open = async (): Promise<never> => {
    throw new SluiceError('/web.img: the file is empty', 'EIO', EXIT_IMAGE);
  };
  const { take, steps } = rig({ opener: { open, change: async () => {} } });
  t.deepEqual(await take(attach()), {
    error: { message: '/web.img: the file is empty', errno: 'EIO', exitCode: 3 },
    ...{ warnings: [], errno: 'EINVAL', reason: '/web.img: the file is empty' },
  });
  t.deepEqual(steps, []);
});

test('an image that the data plane refuses is closed, and its new overlay is deleted', async (t) => {
  const overlay = join(tempFolder(t), 'over.qcow2');
  writeFileSync(overlay, '');
  const error = { message: 'no', errno: 'EEXIST', exitCode: 2 };
  const { take, names } = rig({
    opener: {
      open: async () => ({ image: opened('web'), madeOverlay: overlay }),
      change: async () => {},
    },
    change: async () => ({ error, isThere: false, stale: [], image: null }),
  });
  t.is((await take(attach())).reason, 'no');
  t.deepEqual(names(), ['first']);
  t.false(existsSync(overlay));
});

test('an image that cannot be flushed stays; one that is open, too', async (t) => {
  for (const errno of ['EIO', 'EBUSY']) {
    const error = { message: 'why', errno, exitCode: 1 };
    const { take, steps, names } = rig({
      change: async () => ({ error, isThere: true, stale: [], image: null }),
    });
    t.is((await take({ ...DETACH, name: 'first' })).reason, 'why');
    t.deepEqual(names(), ['first']);
    t.deepEqual(steps, errno === 'EIO' ? ['why'] : []);
  }
});

test('an image that was closed a moment ago goes', async (t) => {
  let left = 3;
  const error = { message: 'open', errno: 'EBUSY', exitCode: 1 };
  const { take, names } = rig({
    change: async () => (left-- > 0 ? { error, isThere: true, stale: [], image: null } : GONE),
  });
  t.is((await take({ ...DETACH, name: 'first' })).errno, null);
  t.deepEqual(names(), []);
});

test('where programs keep an image open, it is not taken away from them', async (t) => {
  const { take, steps } = rig({ keepsOpen: true });
  t.is((await take({ ...DETACH, force: true })).errno, 'EOPNOTSUPP');
  t.deepEqual(steps, []);
});

test('orders are carried out one after the other, also after one that failed', async (t) => {
  let underWay = 0;
  const { take } = rig({
    change: async (change) => {
      t.is(++underWay, 1);
      await new Promise((resolve) => setImmediate(resolve));
      underWay--;
      return change.kind === 'attach'
        ? { ...GOOD, error: { message: 'no', errno: 'EEXIST', exitCode: 2 } }
        : GONE;
    },
  });
  const errnos = await Promise.all(
    [attach(), DETACH, attach(), DETACH].map(async (one) => (await take(one)).errno),
  );
  t.deepEqual(errnos, ['EEXIST', null, 'EEXIST', null]);
});

const OVERLAID = { ...attach(), overlay: '/web.over' } as ImageOrder;
const commit: ImageOrder = { kind: 'overlay', name: 'web', action: 'commit' };

test('an image is away while its overlay changes, and comes back to its groups', async (t) => {
  const changes: ImageChange[] = [];
  const change = async (one: ImageChange): Promise<ImageOutcome> => {
    changes.push(one);
    return one.kind === 'detach' ? GONE : GOOD;
  };
  const { take, steps, asked, orders } = rig({ change });
  await take(OVERLAID);
  const before = orders.asked[1];
  const done = await take(commit);
  const warnings = ['/base.img: its bitmap is lost', '/web.img: somebody reads it'];
  t.deepEqual(done, { error: null, warnings, errno: null, reason: '' });
  t.deepEqual(
    changes.map(({ kind }) => kind),
    ['attach', 'detach', 'attach'],
  );
  t.like(changes[2], { assignments: [{ member: 'web', group: 'gold' }] });
  t.true(steps.indexOf('detached /web.img') < steps.indexOf('commit /web.over'));
  t.true(steps.includes('committed the overlay of web'));
  t.deepEqual(orders.asked[1], before);
  t.deepEqual(asked[1]!.options, asked[0]!.options);
});

test('an image comes back also where its overlay cannot change, and the error is told', async (t) => {
  const no = new SluiceError('/base.img: in use', 'EAGAIN', EXIT_IMAGE);
  const opener = {
    open: async () => ({ image: opened('web'), madeOverlay: null }),
    change: () => Promise.reject(no),
  };
  const { take, names, steps } = rig({ opener });
  await take(OVERLAID);
  t.like((await take(commit)).error, { message: '/base.img: in use', exitCode: 3 });
  t.deepEqual(names(), ['first', 'web']);
  t.is(steps.at(-1), 'attached /web.img as web');
  let opens = 0;
  const open = async () => {
    if (opens++ > 0) throw new SluiceError('/web.over: gone', 'ENOENT', EXIT_IMAGE);
    return { image: opened('web'), madeOverlay: null };
  };
  const lost = rig({ opener: { ...opener, open } });
  await lost.take(OVERLAID);
  const both = '/base.img: in use; and web cannot be attached again: /web.over: gone';
  t.is((await lost.take(commit)).error.message, both);
  t.is(lost.steps.at(-1), both);
});

test('an image that is open, read-only or in no overlay of a file keeps what it has', async (t) => {
  const busy = {
    message: 'web.raw is open; close it',
    errno: 'EBUSY',
    exitCode: 1,
  };
  const open = rig({
    change: async (one) =>
      one.kind === 'attach' ? GOOD : { error: busy, isThere: true, stale: [], image: null },
    sleep: async () => {},
  });
  await open.take(OVERLAID);
  t.is((await open.take(commit)).reason, 'web.raw is open; close it');
  const refused = async (order: ImageOrder, config = {}) => {
    const { take, steps } = rig({}, config);
    await take(order);
    const { reason } = await take(commit);
    t.false(steps.some((step) => step.startsWith('detach')));
    return reason;
  };
  const readOnly = 'web: is attached with --read-only; attach it without';
  t.is(await refused({ ...OVERLAID, options: { readOnly: true } } as ImageOrder), readOnly);
  t.is(await refused(OVERLAID, { readOnly: true }), readOnly);
  t.regex(await refused({ ...OVERLAID, overlay: 'discard' } as ImageOrder), /is a temporary one/);
  const temporary = rig();
  await temporary.take({ ...OVERLAID, overlay: 'discard' } as ImageOrder);
  t.is((await temporary.take({ ...commit, action: 'reset' })).error, null);
  t.false(temporary.steps.some((step) => step.startsWith('reset /')));
});
