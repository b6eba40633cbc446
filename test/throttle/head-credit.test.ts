import test from 'ava';
import { READ, Throttle, WRITE } from '../../src/throttle/throttle.js';
import { inMs, MIB, MS, runUntil, SECOND, takeAll } from './drive.js';

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

function withRoot(limits: Parameters<Throttle['setLimits']>[1]): [Throttle, number] {
  const throttle = new Throttle(32768);
  throttle.setLimits(throttle.root, limits, 0);
  return [throttle, throttle.createMember('disk')];
}

test('a late timer loses nothing: polls 37 ms apart, the 1000th request goes in time', (t) => {
  const [throttle, disk] = withRoot({ iops: 1000, bps: 4096000 });
  for (let i = 0; i < 1000; i++) throttle.submit(i, disk, READ, 4096, 0);
  let now = 0;
  let count = 10;
  while (count < 1000) {
    now += 37 * MS;
    count += takeAll(throttle, now).length;
    t.is(count, Math.min(1000, now / MS + 10));
  }
  t.is(now, 999 * MS);
});

for (const devices of [1, 2]) {
  test(`${devices} devices: waiting for the window saves no credit: an opening window lets no burst through`, (t) => {
    for (const completes of [true, false]) {
      const throttle = new Throttle(4096, undefined, undefined, devices);
      const member = throttle.createMember('disk');
      throttle.setLimits(throttle.root, { iops: 1000 }, 0);
      throttle.setDepth(1, 0);
      t.true(throttle.submit(0, member, READ, 4096, 0));
      for (let i = 1; i < 3000; i++) t.false(throttle.submit(i, member, READ, 4096, 0));
      t.is(throttle.next(2e9), -1);
      if (completes) throttle.complete(0, 2e9);
      throttle.setDepth(4096, 2e9);
      let passed = 0;
      while (throttle.next(2e9) !== -1) passed++;
      // The allowance of 10 ms, and the request that was saved for.
      t.is(passed, 11);
    }
  });
}
