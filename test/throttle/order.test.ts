import test from 'ava';
import { DISCARD, READ, Throttle, WRITE } from '../../src/throttle/throttle.js';
import { inMs, MIB, runUntil, SECOND, takeAll } from './drive.js';

test('reads do not wait behind writes that only a write limit holds', (t) => {
  const throttle = new Throttle(64);
  throttle.setLimits(throttle.root, { wiops: 1 }, 0);
  const disk = throttle.createMember('disk');
  for (let i = 0; i < 5; i++) t.false(throttle.submit(i, disk, WRITE, 4096, 0));
  t.true(throttle.submit(5, disk, READ, 4096, 0));
});

test('writes and discards of a member keep their order', (t) => {
  const throttle = new Throttle(64);
  throttle.setLimits(throttle.root, { wiops: 1 }, 0);
  const disk = throttle.createMember('disk');
  for (let i = 0; i < 4; i++) throttle.submit(i, disk, i % 2 === 0 ? DISCARD : WRITE, 4096, 0);
  t.deepEqual(
    runUntil(throttle, 0, 9 * SECOND).map(([, request]) => request),
    [0, 1, 2, 3],
  );
});

test('members of a group take turns, request by request, from wherever the last turn was', (t) => {
  const throttle = new Throttle(64);
  throttle.setLimits(throttle.root, { iops: 10 }, 0);
  const members = ['a', 'b', 'c'].map((name) => throttle.createMember(name));
  // a has four waiting, b two, c one: 0-3, 10-11, 20.
  for (const [member, first, count] of [
    [0, 0, 4],
    [1, 10, 2],
    [2, 20, 1],
  ] as const) {
    for (let i = 0; i < count; i++) throttle.submit(first + i, members[member], READ, 4096, 0);
  }
  t.deepEqual(
    runUntil(throttle, 0, 9 * SECOND).map(([, request]) => request),
    [0, 10, 20, 1, 11, 2, 3],
  );
});

test('groups below a full group take turns, and so do its reads and writes', (t) => {
  const throttle = new Throttle(64);
  throttle.setLimits(throttle.root, { iops: 10 }, 0);
  for (const [i, name] of ['a', 'b'].entries()) {
    const member = throttle.createMember(name);
    throttle.moveMember(member, throttle.createGroup(name), 0);
    for (let j = 0; j < 2; j++) throttle.submit(10 * i + j, member, READ, 4096, 0);
    for (let j = 0; j < 2; j++) throttle.submit(10 * i + 5 + j, member, WRITE, 4096, 0);
  }
  t.deepEqual(inMs(runUntil(throttle, 0, 9 * SECOND)), [
    [90, 0],
    [190, 10],
    [290, 5],
    [390, 15],
    [490, 1],
    [590, 11],
    [690, 6],
    [790, 16],
  ]);
});

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
