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

test('a member in use cannot be removed; its number is used again, its past stays with the group', (t) => {
  const throttle = new Throttle(4);
  const member = throttle.createMember('a');
  throttle.submit(0, member, READ, 4096, 0);
  const error = t.throws(() => throttle.removeMember(member), { instanceOf: SluiceError });
  t.is(error.errno, 'EBUSY');
  throttle.complete(0, 1);
  throttle.removeMember(member);
  t.deepEqual([...throttle.root.members], []);
  t.is(throttle.groupStats(throttle.root).rios, 1);
  t.is(throttle.createMember('b'), member);
  t.is(throttle.memberStats(member).rios, 0);
});

test("a number that is used again does not hide the members above it from a limit's change", (t) => {
  const throttle = new Throttle(16);
  const slow = throttle.createGroup('slow');
  throttle.setLimits(slow, { iops: 1 }, 0);
  const members = Array.from({ length: 11 }, (_, i) => throttle.createMember(`m${i}`));
  throttle.moveMember(members[10], slow, 0);
  t.false(throttle.submit(1, members[10], READ, 512, 1));
  t.is(throttle.next(1), -1);
  throttle.removeMember(members[3]);
  t.is(throttle.createMember('again'), members[3]);
  throttle.setLimits(slow, { iops: Number.POSITIVE_INFINITY }, 2);
  t.is(throttle.next(2), 1);
});
