import test from 'ava';
import { READ, Throttle, WRITE } from '../../src/throttle/throttle.js';
import { Random } from '../../tools/exerciser/random.js';
import { inMs, MIB, MS, runUntil, SECOND, takeAll } from './drive.js';

/** An endless stream of small requests and large ones that wait at the same bucket. */
function smallAgainstLarge(t: { is(a: number, b: number): void }, groups: boolean): void {
  const throttle = new Throttle(64);
  throttle.setLimits(throttle.root, { bps: MIB }, 0);
  throttle.setCostModel('ios');
  const large = throttle.createMember('large');
  const small = throttle.createMember('small');
  if (groups) throttle.moveMember(large, throttle.createGroup('large'), 0);
  for (let i = 0; i < 8; i++) throttle.submit(i, small, READ, 8192, 0);
  throttle.submit(9, large, WRITE, MIB, 0);
  let smallBytes = 0;
  let largeBytes = 0;
  while (throttle.wakeAt < 60 * SECOND) {
    const now = throttle.wakeAt;
    for (const request of takeAll(throttle, now)) {
      throttle.complete(request, now);
      const isLarge = request === 9;
      if (isLarge) largeBytes += MIB;
      else smallBytes += 8192;
      if (isLarge) throttle.submit(9, large, WRITE, MIB, now);
      else throttle.submit(request, small, READ, 8192, now);
    }
  }
  // They alternate: 1 MiB, 8 KiB, 1 MiB ... 60 s are enough for 59 pairs, after the small request that
  // passed while there was no other.
  t.is(largeBytes / MIB, 59);
  t.is(smallBytes / 8192, 60);
}

test('a stream of small requests does not starve a large one in the same group', (t) => {
  smallAgainstLarge(t, false);
});

test('a stream of small requests does not starve a large one in another group', (t) => {
  smallAgainstLarge(t, true);
});

test('who waits at a slow group does not hold up others at the group above', (t) => {
  const throttle = new Throttle(1024);
  const slow = throttle.createGroup('slow');
  throttle.setLimits(throttle.root, { iops: 1000, bps: 100 * MIB }, 0);
  throttle.setLimits(slow, { iops: 10 }, 0);
  const a = throttle.createMember('a');
  const b = throttle.createMember('b');
  throttle.moveMember(a, slow, 0);
  for (let i = 0; i < 512; i++) throttle.submit(i, a, READ, 4096, 0);
  for (let i = 512; i < 1012; i++) throttle.submit(i, b, READ, 4096, 0);
  const gone = runUntil(throttle, 0, 0.5 * SECOND);
  const slowOnes = gone.filter(([, request]) => request < 512);
  // 10 requests passed before the run: 500 ms at 1000 a second, less the requests of the slow group.
  t.deepEqual(inMs(slowOnes), [
    [91, 0],
    [191, 1],
    [291, 2],
    [391, 3],
    [491, 4],
  ]);
  t.is(gone.length - slowOnes.length, 490);
  t.is(throttle.memberStats(b).rios, 500);
});

test('a large request at two levels is not starved by streams at each of them', (t) => {
  const throttle = new Throttle(64);
  const leaf = throttle.createGroup('leaf');
  throttle.setLimits(throttle.root, { wbps: MIB }, 0);
  throttle.setLimits(leaf, { iops: 100 }, 0);
  const [victim, reader, writer] = ['v', 'r', 'w'].map((name) => throttle.createMember(name));
  throttle.moveMember(victim, leaf, 0);
  throttle.moveMember(reader, leaf, 0);
  const streams = [
    [reader, READ, 4096],
    [writer, WRITE, 8192],
  ] as const;
  for (let i = 0; i < 16; i++) {
    const [member, direction, bytes] = streams[i % 2];
    throttle.submit(i, member, direction, bytes, 0);
  }
  t.false(throttle.submit(20, victim, WRITE, MIB, 0));
  let now = 0;
  while (throttle.isWaiting(20) && now < 60 * SECOND) {
    for (const request of takeAll(throttle, now)) {
      if (request === 20) break;
      throttle.complete(request, now);
      const [member, direction, bytes] = streams[request % 2];
      throttle.submit(request, member, direction, bytes, now);
    }
    now = throttle.wakeAt;
  }
  t.false(throttle.isWaiting(20));
  t.true(
    throttle.memberStats(victim).waitNs < 1.1 * SECOND,
    `${throttle.memberStats(victim).waitNs}`,
  );
});

test('a write stops waiting for a read of its group that somebody else makes later', (t) => {
  const throttle = new Throttle(64);
  const own = throttle.createGroup('own');
  throttle.setLimits(throttle.root, { rbps: 4_400_000 }, 0);
  throttle.setLimits(own, { iops: 100 }, 0);
  const [one, other] = ['one', 'other'].map((name) => throttle.createMember(name));
  throttle.moveMember(one, own, 0);
  t.true(throttle.submit(0, one, WRITE, 512, 0));
  // Its group lets it go after 10 ms, the root after 17.3 ms.
  t.false(throttle.submit(1, one, READ, 120_000, 0));
  // The root lets it go after 14.6 ms, and then the one before 27.3 ms later.
  t.false(throttle.submit(2, other, READ, 108_032, 0));
  // The read of its group could go after 10 ms, as it is not the next one of the root; this write would delay it to 20 ms.
  t.false(throttle.submit(3, one, WRITE, 512, 0));
  t.deepEqual(inMs(runUntil(throttle, 0, SECOND)), [
    [15, 2],
    [15, 3],
    [42, 1],
  ]);
});

const REQUESTS = 60;

/** Requests to several devices, of groups with limits below a group with one. @returns Those that wait for ever. */
function leftOver(random: Random): number {
  const devices = 2 + random.below(2);
  const throttle = new Throttle(REQUESTS, 4096, undefined, devices);
  throttle.setLimits(throttle.root, { iops: 100 }, 0);
  const members = Array.from({ length: 6 }, (_, index) => {
    const group = throttle.findGroup(`g${index % 3}`) ?? throttle.createGroup(`g${index % 3}`);
    throttle.setLimits(group, { iops: 50 + random.below(50) }, 0);
    const member = throttle.createMember(`m${index}`);
    throttle.moveMember(member, group, 0);
    return member;
  });
  let now = 0;
  const complete = (request: number): void => throttle.complete(request, now);
  for (let request = 0; request < REQUESTS; request++) {
    const member = members[random.below(6)]!;
    const device = random.below(devices);
    if (throttle.submit(request, member, READ + random.below(2), 4096, now, device)) {
      complete(request);
    }
    if (random.oneIn(2)) now += random.below(5 * MS);
    takeAll(throttle, now).forEach(complete);
  }
  for (const end = now + 5 * SECOND; now < end; now = throttle.wakeAt) {
    takeAll(throttle, now).forEach(complete);
  }
  return Array.from({ length: REQUESTS }, (_, request) => request).filter((request) =>
    throttle.isWaiting(request),
  ).length;
}

test('requests to several devices do not wait for each other in a circle', (t) => {
  for (let seed = 1; seed <= 50; seed++) t.is(leftOver(new Random(seed, 0)), 0, `seed ${seed}`);
});
