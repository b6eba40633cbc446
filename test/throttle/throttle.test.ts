import test from 'ava';
import { SfqTree } from '../../src/throttle/sfq-tree.js';
import { READ, Throttle, WRITE } from '../../src/throttle/throttle.js';
import { SluiceError } from '../../src/util/errors.js';
import { inMs, KIB, MIB, MS, runUntil, SECOND, takeAll } from './drive.js';

function waitingWrite(): [Throttle, number] {
  const throttle = new Throttle(64);
  throttle.setLimits(throttle.root, { bps: 512 * KIB }, 0);
  const disk = throttle.createMember('disk');
  throttle.submit(0, disk, WRITE, MIB, 0);
  throttle.next(0);
  return [throttle, disk];
}

test('halving the rate after 1 s of 2 s lets a waiting request go after 3 s', (t) => {
  const [throttle] = waitingWrite();
  t.is(throttle.wakeAt, 1.99 * SECOND);
  throttle.setLimits(throttle.root, { bps: 256 * KIB }, SECOND);
  t.is(throttle.next(SECOND), -1);
  t.is(throttle.wakeAt, 2.99 * SECOND);
  t.is(throttle.next(2.99 * SECOND), 0);
});

test('doubling the rate after 1 s of 2 s lets a waiting request go after 1.5 s', (t) => {
  const [throttle] = waitingWrite();
  throttle.setLimits(throttle.root, { bps: MIB }, SECOND);
  t.deepEqual(inMs(runUntil(throttle, SECOND, 9 * SECOND)), [[1490, 0]]);
});

test('removing the limit lets a waiting request go at once', (t) => {
  const [throttle] = waitingWrite();
  throttle.setLimits(throttle.root, { bps: Infinity }, SECOND);
  t.true(throttle.wakeAt <= SECOND);
  t.is(throttle.next(SECOND), 0);
  t.is(throttle.wakeAt, Infinity);
});

test('a new limit begins at zero, whatever passed before', (t) => {
  const throttle = new Throttle(64);
  const disk = throttle.createMember('disk');
  for (let i = 0; i < 30; i++) t.true(throttle.submit(i, disk, READ, MIB, SECOND));
  throttle.setLimits(throttle.root, { iops: 100 }, SECOND);
  t.true(throttle.submit(30, disk, READ, MIB, SECOND));
  t.false(throttle.submit(31, disk, READ, MIB, SECOND));
  t.deepEqual(inMs(runUntil(throttle, SECOND, 2 * SECOND)), [[1010, 31]]);
});

test('setting the same limit again and again changes nothing', (t) => {
  const [throttle] = waitingWrite();
  for (let at = 100; at < 1900; at += 100) {
    throttle.setLimits(throttle.root, { bps: 512 * KIB, rbps: at }, at * MS);
  }
  t.deepEqual(inMs(runUntil(throttle, 1900 * MS, 9 * SECOND)), [[1990, 0]]);
});

test('raising a limit far above does not free the credit of hours in the group above', (t) => {
  const throttle = new Throttle(1024);
  const slow = throttle.createGroup('slow');
  throttle.setLimits(throttle.root, { iops: 1000 }, 0);
  throttle.setLimits(slow, { iops: 0.0001 }, 0);
  const disk = throttle.createMember('disk');
  throttle.moveMember(disk, slow, 0);
  for (let i = 0; i < 500; i++) throttle.submit(i, disk, READ, 4096, 0);
  throttle.setLimits(slow, { iops: Infinity }, 3600 * SECOND);
  t.is(takeAll(throttle, 3600 * SECOND).length, 11);
});

test('making and removing groups leaves waiters and their credit alone', (t) => {
  const [throttle] = waitingWrite();
  for (let i = 0; i < 40; i++) throttle.createGroup(`g${i}`);
  for (let i = 0; i < 40; i++) throttle.removeGroup(`g${i}`);
  t.deepEqual(inMs(runUntil(throttle, MS, 9 * SECOND)), [[1990, 0]]);
});

test('a moved member takes its waiting requests to the limits of the new group', (t) => {
  const throttle = new Throttle(64);
  const slow = throttle.createGroup('slow');
  const fast = throttle.createGroup('fast');
  throttle.setLimits(slow, { iops: 0.001 }, 0);
  throttle.setLimits(fast, { iops: 10 }, 0);
  const disk = throttle.createMember('disk');
  throttle.moveMember(disk, slow, 0);
  for (let i = 0; i < 3; i++) throttle.submit(i, disk, i === 1 ? WRITE : READ, 4096, 0);
  throttle.moveMember(disk, fast, SECOND);
  t.is(throttle.memberGroup(disk), fast);
  t.deepEqual(inMs(runUntil(throttle, SECOND, 9 * SECOND)), [
    [1090, 0],
    [1190, 1],
    [1290, 2],
  ]);
  throttle.submit(3, disk, READ, 4096, 5 * SECOND);
  throttle.moveMember(disk, throttle.root, 5 * SECOND);
  t.is(throttle.next(5 * SECOND), 3);
});

test('a cancelled request is not charged, and the one behind it is judged by its own size', (t) => {
  const throttle = new Throttle(64);
  throttle.setLimits(throttle.root, { bps: MIB }, 0);
  const disk = throttle.createMember('disk');
  throttle.submit(0, disk, READ, 8 * MIB, 0);
  throttle.submit(1, disk, READ, MIB, 0);
  throttle.submit(2, disk, READ, MIB, 0);
  t.is(throttle.next(0), -1);
  t.true(throttle.cancel(0));
  t.false(throttle.isWaiting(0));
  t.false(throttle.cancel(0));
  t.deepEqual(inMs(runUntil(throttle, 0, 9 * SECOND)), [
    [990, 1],
    [1990, 2],
  ]);
  t.false(throttle.cancel(1));
});

test('cancelling in the middle and at the end of a queue keeps the order of the rest', (t) => {
  const throttle = new Throttle(64);
  throttle.setLimits(throttle.root, { iops: 10 }, 0);
  const disk = throttle.createMember('disk');
  for (let i = 0; i < 6; i++) throttle.submit(i, disk, READ, 4096, 0);
  t.true(throttle.cancel(2) && throttle.cancel(5));
  throttle.submit(5, disk, READ, 4096, 0);
  t.deepEqual(inMs(runUntil(throttle, 0, SECOND)), [
    [90, 0],
    [190, 1],
    [290, 3],
    [390, 4],
    [490, 5],
  ]);
});

test('cancelling the request that holds a bucket frees the others at once', (t) => {
  const throttle = new Throttle(64);
  throttle.setLimits(throttle.root, { bps: MIB }, 0);
  const a = throttle.createMember('a');
  const b = throttle.createMember('b');
  throttle.submit(0, a, READ, 100 * MIB, 0);
  t.false(throttle.submit(1, b, WRITE, 4096, 0));
  t.is(throttle.next(0), -1);
  t.true(throttle.cancel(0));
  t.is(throttle.next(0), 1);
  t.is(throttle.wakeAt, Infinity);
});

test('the same beside requests of another group to another device', (t) => {
  const throttle = new Throttle(64, 64, undefined, 2);
  throttle.setLimits(throttle.root, { bps: MIB }, 0);
  const [a, b] = ['a', 'b'].map((name) => {
    const member = throttle.createMember(name);
    throttle.moveMember(member, throttle.createGroup(name), 0);
    return member;
  });
  throttle.submit(0, a!, READ, 100 * MIB, 0, 0);
  t.false(throttle.submit(1, b!, READ, 4096, MS, 1));
  t.is(throttle.next(MS), -1);
  t.true(throttle.cancel(0));
  t.is(throttle.next(MS), 1);
  t.is(throttle.wakeAt, Infinity);
});

test('after a cancel that frees nobody the wake-up is what it was', (t) => {
  const throttle = new Throttle(16);
  throttle.setLimits(throttle.root, { bps: 4096 }, 0);
  const a = throttle.createMember('a');
  const b = throttle.createMember('b');
  throttle.moveMember(b, throttle.createGroup('b'), 0);
  throttle.submit(0, a, READ, MIB, 0);
  throttle.submit(1, b, READ, 4096, 0);
  for (let i = 2; i < 5; i++) throttle.submit(i, a, WRITE, 512, 0);
  t.true(throttle.cancel(2));
  t.is(throttle.next(0), -1);
  t.is(throttle.wakeAt, 255.99 * SECOND);
  t.deepEqual(inMs(runUntil(throttle, 0, 999 * SECOND)), [
    [255990, 0],
    [256990, 1],
    [257115, 3],
    [257240, 4],
  ]);
});

test('what a cancelled request saved up is lost, not a burst for the others', (t) => {
  const throttle = new Throttle(1024);
  throttle.setLimits(throttle.root, { bps: 1000 }, 0);
  const a = throttle.createMember('a');
  const b = throttle.createMember('b');
  throttle.submit(1000, a, WRITE, 1e6, 0);
  for (let i = 0; i < 500; i++) t.false(throttle.submit(i, b, READ, 10, 0));
  t.is(throttle.next(500 * SECOND), -1);
  t.true(throttle.cancel(1000));
  // The first request saved for its own cost, and the allowance of 10 ms is one more.
  t.deepEqual(takeAll(throttle, 500 * SECOND), [0, 1]);
  t.is(throttle.wakeAt, 500.01 * SECOND);
});

test('release hands out every waiter in order and lets everything pass from then on', (t) => {
  const throttle = new Throttle(64);
  const slow = throttle.createGroup('slow');
  throttle.setLimits(slow, { iops: 0.001 }, 0);
  const a = throttle.createMember('a');
  const b = throttle.createMember('b');
  throttle.moveMember(a, slow, 0);
  throttle.moveMember(b, slow, 0);
  for (let i = 0; i < 6; i++) throttle.submit(i, i < 3 ? a : b, READ, 4096, 0);
  throttle.drain();
  t.is(throttle.wakeAt, 0);
  t.true(throttle.submit(6, a, READ, 4096, 1));
  t.deepEqual(takeAll(throttle, 1), [0, 3, 1, 4, 2, 5]);
  t.is(throttle.wakeAt, Infinity);
  t.true(throttle.submit(7, b, WRITE, MIB, 2));
});

test.serial('whatever is changed, time does not go back', (t) => {
  // Records the times at which waiting requests are judged anew.
  const judged: number[] = [];
  const { rebuild } = SfqTree.prototype;
  SfqTree.prototype.rebuild = function (groups, now) {
    judged.push(now);
    rebuild.call(this, groups, now);
  };
  t.teardown(() => {
    SfqTree.prototype.rebuild = rebuild;
  });
  const throttle = new Throttle(8);
  const slow = throttle.createGroup('slow');
  throttle.setLimits(slow, { iops: 1 }, SECOND);
  const disk = throttle.createMember('disk');
  throttle.moveMember(disk, slow, SECOND);
  throttle.submit(0, disk, READ, 4096, 2 * SECOND);
  throttle.setLatencyTarget(slow, MS, 3 * SECOND);
  throttle.createGroup('other');
  throttle.removeGroup('other');
  throttle.drain();
  t.deepEqual(
    judged.map((ns) => ns / SECOND),
    [3, 3],
  );
});

test('a minimum that is raised counts at once, whatever was served under the one before', (t) => {
  const throttle = new Throttle(64);
  throttle.setDepth(1, 0);
  const group = throttle.createGroup('group');
  throttle.setWeight(group, 1);
  throttle.setMinimum(group, { iops: 0.01 }, 0);
  const member = throttle.createMember('member');
  throttle.moveMember(member, group, 0);
  const other = throttle.createMember('other');
  for (let i = 0; i < 10; i++) throttle.submit(i, member, READ, 4096, 0);
  for (let i = 10; i < 30; i++) throttle.submit(i, other, READ, 4096, 0);
  throttle.setMinimum(group, { iops: 1000 }, SECOND);
  const gone: number[] = [];
  for (let last = 0, i = 0; i < 5; i++) {
    throttle.complete(last, (2 + i) * SECOND);
    last = throttle.next((2 + i) * SECOND);
    gone.push(last);
  }
  t.deepEqual(gone, [1, 2, 3, 4, 5]);
});

test('weights, windows and models that are none are refused, and nothing is changed', (t) => {
  const throttle = new Throttle(4);
  const errno = (action: () => void): string => t.throws(action, { instanceOf: SluiceError }).errno;
  const group = throttle.createGroup('a');
  for (const weight of [0, -1, 10001]) {
    t.is(
      errno(() => throttle.setWeight(group, weight)),
      'ERANGE',
    );
  }
  for (const weight of [1.5, Number.NaN, Infinity]) {
    t.is(
      errno(() => throttle.setWeight(group, weight)),
      'EINVAL',
    );
  }
  for (const depth of [0, 4097])
    t.is(
      errno(() => throttle.setDepth(depth, 0)),
      'ERANGE',
    );
  t.is(
    errno(() => throttle.setCostModel('toString' as 'ios')),
    'EINVAL',
  );
  t.is(
    errno(() => throttle.setLatencyTarget(group, 0, 0)),
    'EINVAL',
  );
  t.deepEqual([group.weight, throttle.depthMode, throttle.costModel], [100, 'auto', 'linear']);
});

test('a time in which nobody asks on purpose is not made up for', (t) => {
  const throttle = new Throttle(64);
  const slow = throttle.createGroup('slow');
  throttle.setLimits(slow, { iops: 100 }, 0);
  const member = throttle.createMember('disk');
  throttle.moveMember(member, slow, 0);
  for (let request = 0; request < 50; request++) throttle.submit(request, member, READ, 512, 0);
  while (throttle.next(0) >= 0);
  throttle.skip(5e9);
  let count = 0;
  while (throttle.next(5e9) >= 0) count++;
  // The first one has kept the credit for its own cost; two may run 10 ms ahead.
  t.true(count <= 3, `${count}`);
});
