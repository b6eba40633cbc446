import test from 'ava';
import { DISCARD, READ, Throttle, WRITE } from '../../src/throttle/throttle.js';
import { SluiceError } from '../../src/util/errors.js';
import { SECOND, takeAll } from './drive.js';

/** The name of the errno and the exit code with which an action fails. */
function failure(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (error instanceof SluiceError) return `${error.errno} ${error.exitCode}`;
    throw error;
  }
  return 'none';
}

test('groups form a tree that can be read', (t) => {
  const throttle = new Throttle(4);
  const a = throttle.createGroup('a');
  const b = throttle.createGroup('a/b');
  t.deepEqual([a.name, a.path, a.parent], ['a', 'a', throttle.root]);
  t.deepEqual([b.name, b.path, b.parent], ['b', 'a/b', a]);
  t.deepEqual([...throttle.root.children.keys()], ['a']);
  t.is(throttle.findGroup('a/b'), b);
  t.is(throttle.findGroup(''), throttle.root);
  t.is(throttle.findGroup('a/c'), undefined);
  t.is(throttle.findGroup('x/b'), undefined);
  t.is(throttle.findGroup('a/'), undefined);
  t.deepEqual(Object.values(b.limits), [...Array(6).fill(Infinity), 0]);
});

test('names that are no names or clash with control files are refused: EINVAL', (t) => {
  const throttle = new Throttle(4);
  throttle.createGroup('a');
  for (const path of [
    '',
    '.',
    '..',
    'members',
    'io.max',
    'io.x',
    '/a',
    'a/',
    'a//b',
    'a/..',
    './b',
  ]) {
    t.is(
      failure(() => throttle.createGroup(path)),
      'EINVAL 2',
      path,
    );
  }
  t.is(
    failure(() => throttle.createGroup('member')),
    'none',
  );
});

test('a group needs a parent, and there is one of a name', (t) => {
  const throttle = new Throttle(4);
  throttle.createGroup('a');
  t.is(
    failure(() => throttle.createGroup('x/b')),
    'ENOENT 2',
  );
  t.is(
    failure(() => throttle.createGroup('a')),
    'EEXIST 2',
  );
});

test('members live in leaves and in the root group: EBUSY', (t) => {
  const throttle = new Throttle(4);
  const a = throttle.createGroup('a');
  const member = throttle.createMember('disk');
  t.deepEqual([...throttle.root.members], [member]);
  t.is(throttle.memberName(member), 'disk');
  throttle.moveMember(member, a, 0);
  t.is(
    failure(() => throttle.createGroup('a/b')),
    'EBUSY 2',
  );
  throttle.moveMember(member, throttle.root, 0);
  throttle.createGroup('a/b');
  t.is(
    failure(() => throttle.moveMember(member, a, 0)),
    'EBUSY 2',
  );
  t.is(throttle.memberGroup(member), throttle.root);
});

test('a group in use cannot be removed: EBUSY; one that is not there: ENOENT', (t) => {
  const throttle = new Throttle(4);
  const a = throttle.createGroup('a');
  const b = throttle.createGroup('a/b');
  const member = throttle.createMember('disk');
  throttle.moveMember(member, b, 0);
  const fails = (path: string): string => failure(() => throttle.removeGroup(path));
  t.deepEqual(
    [fails('a/b'), fails('a'), fails('x'), fails('')],
    ['EBUSY 2', 'EBUSY 2', 'ENOENT 2', 'EBUSY 2'],
  );
  throttle.moveMember(member, throttle.root, 0);
  throttle.removeGroup('a/b');
  throttle.removeGroup('a');
  t.is(throttle.findGroup('a'), undefined);
  t.is(a.children.size, 0);
});

test('a group made after one was removed has none of its limits', (t) => {
  const throttle = new Throttle(64);
  throttle.setLimits(throttle.createGroup('a'), { iops: 1 }, 0);
  throttle.removeGroup('a');
  const again = throttle.createGroup('b');
  const member = throttle.createMember('disk');
  throttle.moveMember(member, again, 0);
  for (let i = 0; i < 9; i++) t.true(throttle.submit(i, member, READ, 4096, 0));
});

test('rates that are no positive numbers are refused, and nothing is changed', (t) => {
  const throttle = new Throttle(4);
  const set = (limits: object): string =>
    failure(() => throttle.setLimits(throttle.root, limits, 0));
  for (const rate of [0, -1, Number.NaN, -Infinity]) t.is(set({ bps: 5, iops: rate }), 'EINVAL 2');
  t.is(set({ iopsSize: -1 }), 'EINVAL 2');
  t.is(set({ iops: 1.1e15 }), 'ERANGE 2');
  t.is(throttle.root.limits.bps, Infinity);
  t.is(set({ iops: 1e15, bps: Infinity, iopsSize: 0 }), 'none');
});

test('a member without limits passes whatever others wait for', (t) => {
  const throttle = new Throttle(2000);
  const slow = throttle.createGroup('slow');
  throttle.setLimits(slow, { iops: 10 }, 0);
  const a = throttle.createMember('a');
  const b = throttle.createMember('b');
  throttle.moveMember(a, slow, 0);
  for (let i = 0; i < 512; i++) t.false(throttle.submit(i, a, READ, 4096, 0));
  for (let i = 512; i < 2000; i++) t.true(throttle.submit(i, b, WRITE, 4096, 0));
  t.is(throttle.next(0), -1);
});

test('members and groups count what was admitted, waits and is in flight', (t) => {
  const throttle = new Throttle(16);
  const group = throttle.createGroup('a');
  const leaf = throttle.createGroup('a/b');
  const member = throttle.createMember('disk');
  throttle.moveMember(member, leaf, 0);
  throttle.setLimits(leaf, { wiops: 10 }, 0);
  throttle.submit(0, member, READ, 4096, 0);
  throttle.submit(1, member, WRITE, 512, 0);
  throttle.submit(2, member, DISCARD, 1024, 0);
  throttle.submit(3, member, WRITE, 512, 0);
  const zero = { rbytes: 0, wbytes: 0, dbytes: 0, rios: 0, wios: 0, dios: 0 };
  const idle = { waitNs: 0, queued: 0, inflight: 0 };
  const read = { ...zero, rbytes: 4096, rios: 1 };
  t.deepEqual(throttle.memberStats(member), { ...read, waitNs: 0, queued: 3, inflight: 1 });
  t.deepEqual(takeAll(throttle, 0.2 * SECOND), [1, 2]);
  throttle.complete(0, SECOND);
  throttle.complete(1, SECOND);
  throttle.cancel(3);
  const all = { ...read, wbytes: 512, wios: 1, dbytes: 1024, dios: 1, waitNs: 0.4 * SECOND };
  t.deepEqual(throttle.memberStats(member), { ...all, queued: 0, inflight: 1 });
  t.deepEqual(throttle.groupStats(group), { ...all, queued: 0, inflight: 1 });
  throttle.moveMember(member, throttle.root, SECOND);
  t.deepEqual(throttle.groupStats(leaf), { ...all, queued: 0, inflight: 0 });
  t.deepEqual(throttle.groupStats(throttle.root), { ...all, queued: 0, inflight: 1 });
  throttle.complete(2, SECOND);
  throttle.removeGroup('a/b');
  t.deepEqual(throttle.groupStats(group), { ...all, queued: 0, inflight: 0 });
  throttle.removeGroup('a');
  t.deepEqual(throttle.groupStats(throttle.root), { ...all, ...idle, waitNs: 0.4 * SECOND });
  t.deepEqual(throttle.groupStats(throttle.createGroup('c')), { ...zero, ...idle });
});

test('a request is submitted once and completes once', (t) => {
  const throttle = new Throttle(4);
  const member = throttle.createMember('disk');
  throttle.submit(0, member, READ, 512, 0);
  t.throws(() => throttle.submit(0, member, READ, 512, 0));
  throttle.complete(0, 0);
  t.throws(() => throttle.complete(0, 0));
  t.true(throttle.submit(0, member, READ, 512, 0));
});

test('a thousand members and hundreds of groups, made while requests wait, keep their order', (t) => {
  const throttle = new Throttle(4096);
  throttle.setLimits(throttle.root, { iops: 1000 }, 0);
  const order: number[] = [];
  for (let i = 0; i < 1000; i++) {
    const member = throttle.createMember(`m${i}`);
    if (i % 4 === 0) throttle.moveMember(member, throttle.createGroup(`g${i}`), 0);
    if (!throttle.submit(i, member, READ, 4096, 0)) order.push(i);
  }
  t.is(order.length, 990);
  const gone: number[] = [];
  while (throttle.wakeAt < Infinity) gone.push(...takeAll(throttle, throttle.wakeAt));
  t.deepEqual(
    gone.toSorted((a, b) => a - b),
    order,
  );
  t.is(throttle.memberStats(0).rios, 1);
});
