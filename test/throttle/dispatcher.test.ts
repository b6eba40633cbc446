import test from 'ava';
import { READ, Throttle, WRITE } from '../../src/throttle/throttle.js';

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

test('a request is submitted once and completes once', (t) => {
  const throttle = new Throttle(4);
  const member = throttle.createMember('disk');
  throttle.submit(0, member, READ, 512, 0);
  t.throws(() => throttle.submit(0, member, READ, 512, 0));
  throttle.complete(0, 0);
  t.throws(() => throttle.complete(0, 0));
  t.true(throttle.submit(0, member, READ, 512, 0));
});

test('time does not go back when limits are let go of', (t) => {
  const throttle = new Throttle(16);
  const slow = throttle.createGroup('slow');
  throttle.setLimits(slow, { iops: 1 }, 5e9);
  const member = throttle.createMember('m');
  throttle.moveMember(member, slow, 5e9);
  for (let request = 0; request < 4; request++) throttle.submit(request, member, READ, 512, 5e9);
  t.notThrows(() => throttle.drain());
  for (let request = 0; request < 4; request++) t.is(throttle.next(5e9), request);
});
