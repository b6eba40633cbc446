import test from 'ava';
import { READ, Throttle } from '../../src/throttle/throttle.js';
import { SluiceError } from '../../src/util/errors.js';

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
