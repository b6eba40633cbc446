import test from 'ava';
import { READ, Throttle, WRITE } from '../../src/throttle/throttle.js';

const MS = 1e6;
const BYTES = 5000;

/** A throttle with the group `slow`, 1 MB/s, and the member `disk` in it. */
function setUp(): { throttle: Throttle; member: number } {
  const throttle = new Throttle(8);
  const slow = throttle.createGroup('slow');
  throttle.setLimits(slow, { bps: 1e6 }, 0);
  const member = throttle.createMember('disk');
  throttle.moveMember(member, slow, 0);
  return { throttle, member };
}

test('a group owes in the next process what it owes, less what has leaked meanwhile', (t) => {
  const one = setUp();
  t.true(one.throttle.submit(0, one.member, READ, 10_000, 0));
  one.throttle.complete(0, 1 * MS);
  const state = structuredClone(one.throttle.carryOut(4 * MS));
  const two = setUp();
  // Its clock is at 100 ms when that of the first one is at 4 ms, and 3 ms have passed since.
  two.throttle.carryIn(state, 100 * MS);
  t.false(two.throttle.submit(0, two.member, READ, 10_000, 103 * MS));
  t.is(two.throttle.next(103 * MS), -1);
  // The bucket runs empty 6 ms after the state was taken; a request of 10 ms may run 10 ms ahead.
  t.is(two.throttle.wakeAt, 106 * MS);
  t.is(two.throttle.next(106 * MS), 0);
});

test('figures since the mount go on, those of moved and removed members too', (t) => {
  const one = setUp();
  one.throttle.submit(0, one.member, READ, 4096, 0);
  one.throttle.complete(0, 0);
  one.throttle.moveMember(one.member, one.throttle.root, 0);
  one.throttle.submit(0, one.member, WRITE, 512, 0);
  one.throttle.complete(0, 0);
  const state = one.throttle.carryOut(0);
  const { throttle, member } = setUp();
  throttle.moveMember(member, throttle.root, 0);
  throttle.carryIn(state, 0);
  const { rbytes, rios, wbytes, wios, inflight } = throttle.memberStats(member);
  t.deepEqual([rbytes, rios, wbytes, wios, inflight], [4096, 1, 512, 1, 0]);
  const slow = throttle.groupStats(throttle.findGroup('slow')!);
  t.deepEqual([slow.rbytes, slow.wbytes], [4096, 0]);
  t.is(throttle.groupStats(throttle.root).wbytes, 512);
});

test('a group and a member that are not there any more are left out', (t) => {
  const one = setUp();
  one.throttle.submit(0, one.member, READ, 4096, 0);
  one.throttle.complete(0, 0);
  const two = new Throttle(8);
  const other = two.createMember('other');
  two.carryIn(one.throttle.carryOut(0), 0);
  t.is(two.memberStats(other).rbytes, 0);
});

/** Requests that a group lets go, one after the other, from one time to another one, in ms. */
function passes({ throttle, member }: ReturnType<typeof setUp>, from: number, to: number): number {
  let count = 0;
  let now = from * MS;
  while (now < to * MS) {
    const isAdmitted = throttle.submit(0, member, READ, BYTES, now);
    while (!isAdmitted && throttle.next(now) === -1) {
      now = throttle.wakeAt;
      if (now < to * MS) continue;
      throttle.cancel(0);
      return count;
    }
    throttle.complete(0, now);
    count++;
  }
  return count;
}
/** A group that lets 1 MB/s pass, and 5 MB/s for 0.1 s. @param spentMs It uses that up for so long. */
function setUpBurst(spentMs: number): ReturnType<typeof setUp> {
  const one = setUp();
  const slow = one.throttle.findGroup('slow')!;
  one.throttle.setBursts(slow, { bps: { rate: 5e6, seconds: 0.1 } }, 0);
  passes(one, 0, spentMs);
  return one;
}

for (const spentMs of [0, 50, 500]) {
  test(`what a group passes before a death, and is in no state, counts for its burst: ${spentMs} ms of it are spent`, (t) => {
    const whole = passes(setUpBurst(spentMs), spentMs, 2000);
    const one = setUpBurst(spentMs);
    const state = structuredClone(one.throttle.carryOut(spentMs * MS));
    const unseen = passes(one, spentMs, spentMs + 20);
    const two = setUpBurst(0);
    two.throttle.carryIn(state, spentMs * MS, 20 * MS);
    const count = unseen + passes(two, spentMs + 40, 2000);
    // Not more than the two requests that run ahead of their buckets.
    t.true(count <= whole + 2 && count > whole - 25, `${count} ${whole}`);
  });
}
