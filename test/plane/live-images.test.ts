import test from 'ava';
import { parseFaults } from '../../src/control/faults.js';
import { Mappings } from '../../src/image/mappings.js';
import { closeImages } from '../../src/plane/carry-over.js';
import { mapAnonymous } from '../../src/sys/memory.js';
import { EXIT_FAILED, SluiceError } from '../../src/util/errors.js';
import { FSYNC, ioBody, READ, WRITE, writeBody } from './bench.js';
import { image, Mounted, memory } from './mounted.js';

const RELEASE = 18;
const GETATTR = 3;
const EIO = 5;
const EBUSY = 16;
const ENODEV = 19;
const ESTALE = 116;

test('an image comes and is read; it goes when nothing of it is under way, and is flushed', (t) => {
  const m = new Mounted([]);
  m.attach(image('web', 1));
  const node = m.node('web');
  t.is(m.ask(WRITE, node, writeBody(0, new Uint8Array(8).fill(7))), 0);
  const read = m.send(READ, node, ioBody(0, 512));
  m.detach('web');
  t.deepEqual(m.outcomes, []);
  t.is(m.ask(GETATTR, node, new Uint8Array(16)), EBUSY);
  t.is(m.errorOf(read), 0);
  t.deepEqual(m.outcomes, [{ failed: 0, lost: 0 }]);
  t.true(m.host.files[1]!.log.some((line) => line.startsWith('flush')));
  t.deepEqual(m.host.removed, [1]);
  t.deepEqual(m.gone, [0]);
  t.is(m.node('web'), 0);
  t.is(m.ask(GETATTR, node, new Uint8Array(16)), ESTALE);
  t.is(m.assembly.plane.requests.count, 0);
});

test('one that comes later has another node, the number and member of the one that went, and its own bytes', (t) => {
  const m = new Mounted();
  const before = m.node('web');
  m.detach('web');
  m.run();
  m.attach(image('web', 2));
  t.not(m.node('web'), before);
  t.is(m.assembly.images.wholes[0]!.member, 0);
  const read = m.send(READ, m.node('web'), ioBody(0, 4));
  m.run();
  t.deepEqual([...m.host.replies.get(read)!.payload], [2, 2, 2, 2]);
  t.is(m.ask(READ, before, ioBody(0, 4)), ENODEV);
});

test('an image that a hand-over was closing when it was given up goes when that has ended', (t) => {
  const m = new Mounted([image('web', 0, { image: { ...image('web', 0).image, alignment: 512 } })]);
  const [web] = m.assembly.images.wholes;
  Object.assign(web!.image.driver, { delaysMetadata: true });
  const node = m.node('web');
  const bytes = new Uint8Array(512).fill(7);
  t.is(m.ask(WRITE, node, writeBody(0, bytes)), 0);
  let closed = 0;
  m.turn(() => closeImages(m.assembly, ({ length }) => (closed = 1 + length)));
  const flush = m.host.pending.shift()!;
  // The mount goes on: nothing changes what is being closed, and reads do not wait.
  const write = m.send(WRITE, node, writeBody(512, bytes));
  t.is(m.ask(READ, node, ioBody(0, 512)), 0);
  t.false(m.host.replies.has(write));
  m.detach('web');
  m.run();
  t.deepEqual(m.host.removed, []);
  m.host.pending.push(flush);
  t.is(m.errorOf(write), 0);
  t.is(closed, 1);
  t.deepEqual(m.host.removed, [0]);
  t.deepEqual(m.outcomes, [{ failed: 0, lost: 0 }]);
  const kinds = m.host.files[0]!.log.map((line) => line.split(' ')[0]);
  t.deepEqual(kinds, ['write', 'read', 'flush', 'write', 'flush']);
});

test('an image that is open stays', (t) => {
  const m = new Mounted();
  m.open('web');
  t.throws(() => m.detach('web'), { message: 'web.raw is open; close it' });
  t.throws(() => m.detach('wob'), { message: 'wob: there is no such image; images: web' });
  t.is(m.ask(GETATTR, m.node('web'), new Uint8Array(16)), 0);
});

test('with force it goes: requests that wait go without limits, later ones and a close get errors', (t) => {
  const m = new Mounted();
  const { throttle, images } = m.assembly;
  const [disk] = images.wholes;
  const slow = throttle.createGroup('slow');
  throttle.setLimits(slow, { iops: 0.001 }, m.nowNs);
  throttle.moveMember(disk!.member, slow, m.nowNs);
  const handle = m.open('web');
  const node = m.node('web');
  const writes = [1, 2, 3].map((n) =>
    m.send(WRITE, node, writeBody(n * 512, new Uint8Array(512).fill(9))),
  );
  m.run();
  t.is(throttle.groupStats(slow).queued, 3);
  m.detach('web', true);
  t.deepEqual(
    writes.map((one) => m.errorOf(one)),
    [0, 0, 0],
  );
  t.deepEqual(m.outcomes, [{ failed: 0, lost: 0 }]);
  t.is(m.host.files[0]!.content[3 * 512], 9);
  t.is(throttle.groupStats(slow).queued, 0);
  t.is(slow.members.size, 0);
  t.is(m.ask(FSYNC, node, new Uint8Array(16)), ESTALE);
  const close = new Uint8Array(24);
  close[0] = handle;
  t.is(m.ask(RELEASE, node, close), 0);
  t.is(m.assembly.plane.requests.count, 0);
  t.is(memory.freeSlots, memory.slots);
});

test('with force requests that wait get the errors that the user wants', (t) => {
  const m = new Mounted();
  const { throttle, images } = m.assembly;
  const slow = throttle.createGroup('slow');
  throttle.setLimits(slow, { iops: 0.001 }, m.nowNs);
  throttle.moveMember(images.wholes[0]!.member, slow, m.nowNs);
  const node = m.node('web');
  const writes = [1, 2].map((n) => m.send(WRITE, node, writeBody(n * 512, new Uint8Array(512))));
  images.setFaults('web', parseFaults('write.error=100%,write.delay=20ms'));
  m.run();
  m.detach('web', true);
  t.deepEqual(
    writes.map((one) => m.errorOf(one)),
    [EIO, EIO],
  );
  t.deepEqual(m.outcomes, [{ failed: 0, lost: 0 }]);
  t.is(memory.freeSlots, memory.slots);
});

test('with force requests that wait go, although every slot but one waits for requests that do not come', (t) => {
  const m = new Mounted();
  const { throttle, images, plane } = m.assembly;
  const slow = throttle.createGroup('slow');
  throttle.setLimits(slow, { iops: 0.001 }, m.nowNs);
  throttle.moveMember(images.wholes[0]!.member, slow, m.nowNs);
  const node = m.node('web');
  const writes = [1, 2, 3].map((n) =>
    m.send(WRITE, node, writeBody(n * 512, new Uint8Array(512).fill(9))),
  );
  m.run();
  const receives: number[] = [];
  while (plane.receivable > 0) receives.push(memory.takeSlot());
  m.detach('web', true);
  t.deepEqual(
    writes.map((one) => m.errorOf(one)),
    [0, 0, 0],
  );
  t.deepEqual(m.outcomes, [{ failed: 0, lost: 0 }]);
  for (const slot of receives) memory.releaseSlot(slot);
  t.is(memory.freeSlots, memory.slots);
});

test('an image whose last flush fails stays and serves on; with force it goes all the same', (t) => {
  const m = new Mounted();
  const node = m.node('web');
  t.is(m.ask(WRITE, node, writeBody(0, new Uint8Array(8))), 0);
  m.host.fault = (op) => (op.kind === 'flush' ? -EIO : null);
  m.detach('web');
  m.run();
  t.deepEqual(m.outcomes.splice(0), [{ failed: EIO, lost: EIO }]);
  t.is(m.node('web'), node);
  t.is(m.ask(READ, node, ioBody(0, 4)), 0);
  m.detach('web', true);
  m.run();
  t.deepEqual(m.outcomes, [{ failed: EIO, lost: EIO }]);
  t.is(m.node('web'), 0);
});

test('what a forced detach loses while the mount ends is told at the end of the mount', (t) => {
  const m = new Mounted();
  const { plane } = m.assembly;
  t.is(m.ask(WRITE, m.node('web'), writeBody(0, new Uint8Array(8))), 0);
  m.host.fault = (op) => (op.kind === 'flush' ? -EIO : null);
  plane.isReceiving = false;
  m.detach('web', true);
  m.run();
  t.deepEqual(plane.lastFlush.unflushed, [{ name: 'web', errno: EIO }]);
  t.is(m.node('web'), 0);
});

test('a detach that fails behind the last flush is told at the end of the mount, too', (t) => {
  const m = new Mounted();
  const { plane } = m.assembly;
  let flushes = 0;
  m.host.fault = (op) => (op.kind === 'flush' && ++flushes > 1 ? -EIO : null);
  t.is(m.ask(WRITE, m.node('web'), writeBody(0, new Uint8Array(8))), 0);
  plane.isReceiving = false;
  plane.startLastFlush();
  m.detach('web');
  m.run();
  t.is(flushes, 2);
  t.deepEqual(m.outcomes, [{ failed: EIO, lost: EIO }]);
  t.deepEqual(plane.lastFlush.unflushed, [{ name: 'web', errno: EIO }]);
});

test('the last flush of a mount leaves an image alone that is just being flushed for its detach', (t) => {
  const m = new Mounted();
  const { plane } = m.assembly;
  let flushes = 0;
  m.host.fault = (op) => (op.kind === 'flush' && ++flushes > 0 ? -EIO : null);
  t.is(m.ask(WRITE, m.node('web'), writeBody(0, new Uint8Array(8))), 0);
  plane.isReceiving = false;
  m.detach('web');
  plane.startLastFlush();
  m.run();
  t.is(flushes, 1);
  t.deepEqual(m.outcomes, [{ failed: EIO, lost: EIO }]);
  t.deepEqual(plane.lastFlush.unflushed, [{ name: 'web', errno: EIO }]);
});

test('an image without memory does not come, leaves nothing behind, and comes when there is some', (t) => {
  let isLacking = true;
  const take = (length: number) => {
    if (!isLacking) return mapAnonymous(length);
    throw new SluiceError('no memory', 'ENOMEM', EXIT_FAILED);
  };
  const m = new Mounted([], () => new Mappings(take));
  const [layer] = image('web', 1).image.layers;
  // A layer over another one needs memory for what is inflated.
  const overlay = { ...image('web', 1).image, layers: [layer!, layer!] };
  t.throws(() => m.attach(image('web', 1, { image: overlay })), { message: 'no memory' });
  t.deepEqual(m.host.removed, [1]);
  t.is(m.assembly.images.wholes.length, 0);
  isLacking = false;
  m.attach(image('web', 1, { image: overlay }));
  t.is(m.ask(READ, m.node('web'), ioBody(0, 512)), 0);
});

test('a name can be had once, and one that is being detached is still had', (t) => {
  const m = new Mounted();
  const taken = {
    message:
      '/web.img: the name "web" is taken by /web.img; give one of them another name with NAME=IMAGE',
  };
  t.throws(() => m.attach(image('web', 1)), taken);
  m.send(READ, m.node('web'), ioBody(0, 512));
  m.detach('web');
  t.throws(() => m.attach(image('web', 1)), taken);
  t.throws(() => m.detach('web'), { message: 'web is being detached' });
  m.run();
  m.attach(image('web', 1));
});

test('a thousand come and go on changing devices, and leave no number, member or place behind', (t) => {
  const m = new Mounted();
  for (let n = 0; n < 1000; n++) {
    m.attach(image(`i${n}`, 1, { device: 100 + (n % 7) }));
    m.attach(image(`j${n}`, 2, { device: 200 + (n % 5) }));
    m.ask(READ, m.node(`i${n}`), ioBody(0, 512));
    for (const name of [`i${n}`, `j${n}`]) m.detach(name);
    m.run();
  }
  const { images, throttle, plane } = m.assembly;
  t.deepEqual(
    images.wholes.map(({ config }) => config.name),
    ['web'],
  );
  t.is(throttle.root.members.size, 1);
  t.is(throttle.createMember('next'), 1);
  t.is(plane.requests.count, 0);
  t.is(Math.max(...m.gone), 2);
  t.is(memory.freeSlots, memory.slots);
  t.is(throttle.groupStats(throttle.root).rios, 1000);
});
