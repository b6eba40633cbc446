import test from 'ava';
import { DeviceSlots, devicePlaces } from '../../src/plane/device-slots.js';
import { Counters } from '../../src/throttle/stats.js';
import { READ, Throttle } from '../../src/throttle/throttle.js';

test('there are places for the devices of a mount and for some that come later, 16 at most', (t) => {
  t.deepEqual(devicePlaces([]), { places: 4, inUse: 1 });
  t.deepEqual(devicePlaces([8, 9, 8]), { places: 5, inUse: 2 });
  t.deepEqual(devicePlaces(Array.from({ length: 40 }, (_, n) => n)), { places: 16, inUse: 16 });
});

test('a device keeps its number while an image is on it; when all are given out, the last one is shared', (t) => {
  const slots = new DeviceSlots(3, new Throttle(4, 4, new Counters(), 3, 1));
  t.deepEqual(
    [7, 8, 7, 9, 10, 11].map((device) => slots.take(device)),
    [0, 1, 0, 2, 2, 2],
  );
  slots.release(0);
  t.is(slots.take(12), 2);
  slots.release(0);
  t.is(slots.take(12), 0);
  slots.release(1);
  t.is(slots.take(8), 1);
});

test('groups and members count on a device that comes later', (t) => {
  const throttle = new Throttle(8, 8, new Counters(), 4, 1);
  const slots = new DeviceSlots(4, throttle);
  const member = throttle.createMember('web');
  const group = throttle.createGroup('slow');
  throttle.setLimits(group, { iops: 10 }, 0);
  throttle.moveMember(member, group, 0);
  t.deepEqual([slots.take(1), slots.take(2)], [0, 1]);
  const other = throttle.createMember('other');
  throttle.moveMember(other, throttle.createGroup('free'), 0);
  t.deepEqual(
    [0, 1, 2].map((one) => throttle.submit(one, member, READ, 512, 1e9, 1)),
    [false, false, false],
  );
  t.true(throttle.submit(3, other, READ, 512, 1e9, 1));
  t.is(throttle.next(1.05e9), -1);
  t.is(throttle.next(1.1e9), 0);
  t.is(throttle.next(1.1e9), -1);
  t.is(throttle.next(1.2e9), 1);
});
