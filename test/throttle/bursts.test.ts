import test from 'ava';
import { READ, Throttle, WRITE } from '../../src/throttle/throttle.js';
import { SluiceError } from '../../src/util/errors.js';
import { MIB, SECOND } from './drive.js';

/** The number of requests that have passed by each of the given times, while 64 always wait. */
function passedBy(throttle: Throttle, member: number, from: number, times: number[]): number[] {
  let count = 0;
  const send = (request: number, now: number): void => {
    while (throttle.submit(request, member, READ, 4096, now)) {
      count++;
      throttle.complete(request, now);
    }
  };
  for (let i = 0; i < 64; i++) send(i, from);
  return times.map((time) => {
    while (throttle.wakeAt <= from + time) {
      const now = throttle.wakeAt;
      for (let r = throttle.next(now); r !== -1; r = throttle.next(now)) {
        count++;
        throttle.complete(r, now);
        send(r, now);
      }
    }
    return count;
  });
}

test('4 times the rate for 5 s: 20000 requests, then the plain rate', (t) => {
  const throttle = new Throttle(64);
  const disk = throttle.createMember('disk');
  throttle.setLimits(throttle.root, { iops: 1000 }, 0);
  throttle.setBursts(throttle.root, { iops: { rate: 4000, seconds: 5 } }, 0);
  const [one, five, ten] = passedBy(throttle, disk, 0, [SECOND, 5 * SECOND, 10 * SECOND]);
  // 10 ms of the burst's rate are 40 requests.
  t.is(one, 4040);
  t.true(Math.abs(five - 20_000) <= 40, `${five}`);
  t.is(ten, 25_010);
});

test('an idle group gets its burst back at the plain rate', (t) => {
  const throttle = new Throttle(64);
  const disk = throttle.createMember('disk');
  throttle.setLimits(throttle.root, { iops: 1000 }, 0);
  throttle.setBursts(throttle.root, { iops: { rate: 2000, seconds: 4 } }, 0);
  passedBy(throttle, disk, 0, [10 * SECOND]);
  for (let i = 0; i < 64; i++) throttle.cancel(i);
  // After 2 s of rest the credit is 2000 requests again: 2 s at twice the rate.
  const [two, five] = passedBy(throttle, disk, 12 * SECOND, [2 * SECOND, 5 * SECOND]);
  t.true(Math.abs(two - 4000) <= 30, `${two}`);
  t.true(Math.abs(five - 7000) <= 30, `${five}`);
});

test('a large request waits for its cost at the rate of the burst', (t) => {
  const throttle = new Throttle(4);
  const disk = throttle.createMember('disk');
  throttle.setLimits(throttle.root, { wbps: MIB }, 0);
  throttle.setBursts(throttle.root, { wbps: { rate: 4 * MIB, seconds: 10 } }, 0);
  t.false(throttle.submit(0, disk, WRITE, MIB, 0));
  t.is(throttle.next(0), -1);
  t.is(throttle.wakeAt, 0.24 * SECOND);
});

test('a burst needs a plain limit, not above it, and a length', (t) => {
  const throttle = new Throttle(4);
  throttle.setLimits(throttle.root, { bps: 1000 }, 0);
  const errno = (burst: object): string =>
    t.throws(() => throttle.setBursts(throttle.root, burst, 0), { instanceOf: SluiceError }).errno;
  t.is(errno({ iops: { rate: 10, seconds: 1 } }), 'EINVAL');
  t.is(errno({ bps: { rate: 999, seconds: 1 } }), 'EINVAL');
  t.is(errno({ bps: { rate: 2000, seconds: 0 } }), 'EINVAL');
  t.is(errno({ bps: { rate: Number.NaN, seconds: 1 } }), 'EINVAL');
  t.is(errno({ bps: { rate: 2e15, seconds: 1 } }), 'ERANGE');
  t.is(errno({ bps: { rate: 2000, seconds: 3601 } }), 'ERANGE');
  t.is(throttle.root.bursts.bps, null);
});

test('a limit above the burst, or none, drops the burst with a warning', (t) => {
  const throttle = new Throttle(4);
  throttle.setLimits(throttle.root, { bps: 1000, iops: 10 }, 0);
  throttle.setBursts(throttle.root, { bps: { rate: 2000, seconds: 1 } }, 0);
  throttle.setBursts(throttle.root, { iops: { rate: 20, seconds: 1 } }, 0);
  throttle.setLimits(throttle.root, { bps: 3000 }, 0);
  t.is(throttle.root.bursts.bps, null);
  t.deepEqual(throttle.root.bursts.iops, { rate: 20, seconds: 1 });
  t.is(throttle.warnings.length, 1);
  throttle.setBursts(throttle.root, { iops: null }, 0);
  t.is(throttle.root.bursts.iops, null);
});
