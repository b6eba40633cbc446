import test from 'ava';
import { READ, Throttle, WRITE } from '../../src/throttle/throttle.js';
import { inMs, MIB, runUntil, SECOND } from './drive.js';

test('a bucket that waiters of a slower one will use saves for one request only', (t) => {
  const throttle = new Throttle(1024);
  const slow = throttle.createGroup('slow');
  throttle.setLimits(throttle.root, { iops: 1000 }, 0);
  throttle.setLimits(slow, { iops: 0.001 }, 0);
  const a = throttle.createMember('a');
  const b = throttle.createMember('b');
  throttle.moveMember(a, slow, 0);
  t.false(throttle.submit(0, a, READ, 4096, 0));
  let passed = 0;
  for (let i = 1; i < 500; i++) if (throttle.submit(i, b, READ, 4096, 500 * SECOND)) passed++;
  t.is(passed, 11);
});

test('two equal limits wait together, not one after the other', (t) => {
  const throttle = new Throttle(16);
  const group = throttle.createGroup('g');
  throttle.setLimits(throttle.root, { bps: MIB }, 0);
  throttle.setLimits(group, { bps: MIB, wbps: MIB }, 0);
  const disk = throttle.createMember('disk');
  throttle.moveMember(disk, group, 0);
  for (let i = 0; i < 3; i++) throttle.submit(i, disk, WRITE, MIB, 0);
  t.deepEqual(inMs(runUntil(throttle, 0, 9 * SECOND)), [
    [990, 0],
    [1990, 1],
    [2990, 2],
  ]);
});
