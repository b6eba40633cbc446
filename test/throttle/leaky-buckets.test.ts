import test from 'ava';
import { NO_BURSTS } from '../../src/throttle/bursts.js';
import {
  BUCKETS,
  burstSecondsLeft,
  LeakyBuckets,
  type Levels,
} from '../../src/throttle/leaky-buckets.js';
import { NO_LIMITS, RATES } from '../../src/throttle/limits.js';
import { DISCARD, READ, Throttle, WRITE } from '../../src/throttle/throttle.js';
import { inMs, KIB, MIB, MS, runUntil, SECOND } from './drive.js';

function withRoot(limits: Parameters<Throttle['setLimits']>[1]): [Throttle, number] {
  const throttle = new Throttle(32768);
  throttle.setLimits(throttle.root, limits, 0);
  return [throttle, throttle.createMember('disk')];
}

test('a 1 MiB request under 1 MiB/s waits 0.99 s first, on a new bucket and an idle one', (t) => {
  const [throttle, disk] = withRoot({ bps: MIB });
  t.false(throttle.submit(0, disk, WRITE, MIB, 0));
  t.is(throttle.next(0), -1);
  t.is(throttle.wakeAt, 0.99 * SECOND);
  t.is(throttle.next(0.99 * SECOND - 1000), -1);
  t.is(throttle.next(0.99 * SECOND), 0);
  t.is(throttle.wakeAt, Infinity);
  t.false(throttle.submit(1, disk, WRITE, MIB, 3600 * SECOND));
  t.deepEqual(inMs(runUntil(throttle, 3600 * SECOND, 3700 * SECOND)), [[3600990, 1]]);
});

test('what costs up to 10 ms of the rate passes an idle bucket at once', (t) => {
  const [throttle, disk] = withRoot({ iops: 1000 });
  for (let i = 0; i < 10; i++) t.true(throttle.submit(i, disk, READ, 4096, 5 * SECOND), `${i}`);
  t.false(throttle.submit(10, disk, READ, 4096, 5 * SECOND));
  t.is(throttle.next(5 * SECOND), -1);
  t.is(throttle.wakeAt, 5 * SECOND + MS);
});

/** Requests that pass in 10 s if `depth` are always outstanding and complete at once. */
function closedLoop(throttle: Throttle, disk: number, depth: number, bytes: number): number {
  let count = 0;
  let now = 0;
  for (let i = 0; i < depth; i++) {
    while (throttle.submit(i, disk, READ, bytes, 0)) {
      throttle.complete(i, 0);
      count++;
    }
  }
  while (throttle.wakeAt <= 10 * SECOND) {
    now = throttle.wakeAt;
    for (let r = throttle.next(now); r !== -1; r = throttle.next(now)) {
      do {
        throttle.complete(r, now);
        count++;
      } while (throttle.submit(r, disk, READ, bytes, now));
    }
  }
  return count;
}

// The rate times 10 s plus the allowance of 10 ms, rounded down.
for (const [limits, bytes, expected] of [
  [{ iops: 100 }, 4096, 1001],
  [{ iops: 1000 }, 4096, 10010],
  [{ iops: 20000 }, 4096, 200200],
  [{ iops: 7 }, 4096, 70],
  [{ rbps: MIB }, 256 * KIB, 40],
  [{ rbps: MIB }, MIB, 10],
  [{ bps: 10 * MIB }, 256 * KIB, 400],
  [{ bps: 100 * MIB }, MIB, 1001],
] as const) {
  test(`10 s at ${JSON.stringify(limits)} with ${bytes} bytes pass ${expected} requests`, (t) => {
    const [throttle, disk] = withRoot(limits);
    t.is(closedLoop(throttle, disk, 32, bytes), expected);
  });
}

test('an idle hour gives no credit beyond the allowance', (t) => {
  const [throttle, disk] = withRoot({ iops: 1000 });
  let passed = 0;
  for (let i = 0; i < 100; i++) {
    if (throttle.submit(i, disk, READ, 4096, 3600 * SECOND)) passed++;
  }
  t.is(passed, 10);
});

// Costs at rate 10: iops 100 ms each; bps 10 bytes 1 s.
for (const [key, waits] of [
  ['rbps', [true, false, false]],
  ['wbps', [false, true, true]],
  ['bps', [true, true, true]],
  ['riops', [true, false, false]],
  ['wiops', [false, true, true]],
  ['iops', [true, true, true]],
] as const) {
  test(`${key} holds the directions that it names, at the group and at any group above`, (t) => {
    for (const place of ['', 'a', 'a/b']) {
      for (const direction of [READ, WRITE, DISCARD]) {
        const throttle = new Throttle(4);
        throttle.createGroup('a');
        const leaf = throttle.createGroup('a/b');
        const disk = throttle.createMember('disk');
        throttle.moveMember(disk, leaf, 0);
        const group = throttle.findGroup(place);
        if (group === undefined) return t.fail();
        throttle.setLimits(group, { [key]: 10 }, 0);
        t.is(throttle.submit(0, disk, direction, 10, 0), !waits[direction], `${place}`);
        throttle.complete(throttle.isWaiting(0) ? throttle.next(SECOND) : 0, SECOND);
      }
    }
  });
}

test('iops_size counts a large request as several, in fractions, and a small one as one', (t) => {
  for (const [bytes, wakeAt] of [
    [512, 90],
    [4096, 90],
    [6144, 140],
    [65536, 1590],
  ] as const) {
    const [throttle, disk] = withRoot({ iops: 10, iopsSize: 4096 });
    throttle.submit(0, disk, READ, bytes, 0);
    throttle.next(0);
    t.is(throttle.wakeAt, wakeAt * MS);
  }
});

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

test('of a burst that was used for a while so many seconds are left', (t) => {
  let levels: Levels = new Float64Array(new SharedArrayBuffer(0));
  const buckets = new LeakyBuckets((now) => {
    levels = now;
  });
  buckets.grow(2);
  const burst = { rate: 50, seconds: 5 };
  buckets.setLimits(1, { ...NO_LIMITS, iops: 10 }, 0, { ...NO_BURSTS, iops: burst });
  const left = (now: number): number => burstSecondsLeft(levels, 1, 'iops', 10, burst, now);
  t.is(left(0), 5);
  const iops = BUCKETS + RATES.indexOf('iops');
  // 100 requests in 2 s: 2 of 5 s are gone.
  for (let request = 0; request < 100; request++) buckets.charge(iops, 4096, request * 2e7);
  t.is(Math.round(left(2e9) * 1000), 3000);
  // At 10 a second it comes back in 8 s, and not more than that.
  t.is(Math.round(left(6e9) * 1000), 4000);
  t.is(left(100e9), 5);
  const even = { rate: 10, seconds: 5 };
  t.is(burstSecondsLeft(levels, 1, 'iops', 10, even, 2e9), 5);
});
