import test from 'ava';
import { Throttle, WRITE } from '../../src/throttle/throttle.js';

test('the window bounds what is in flight, and a smaller one is reached as requests complete', (t) => {
  const throttle = new Throttle(16);
  const member = throttle.createMember('disk');
  throttle.setDepth(3, 0);
  t.deepEqual(
    [0, 1, 2, 3, 4].map((request) => throttle.submit(request, member, WRITE, 512, 0)),
    [true, true, true, false, false],
  );
  t.is(throttle.next(0), -1);
  t.is(throttle.wakeAt, Infinity);
  throttle.complete(1, 5);
  t.true(throttle.wakeAt <= 5);
  throttle.setDepth(2, 5);
  t.is(throttle.next(5), -1);
  throttle.complete(0, 6);
  t.is(throttle.next(6), 3);
  t.is(throttle.next(6), -1);
  throttle.setDepth('auto', 6);
  t.is(throttle.next(6), 4);
  t.deepEqual([throttle.depth, throttle.depthMode], [4096, 'auto']);
});
