import test from 'ava';
import { Counters, type FigureNews, memberFigures } from '../../src/throttle/stats.js';
import { DISCARD, READ, Throttle, WRITE } from '../../src/throttle/throttle.js';
import { SECOND, takeAll } from './drive.js';

const NOTHING = {
  rbytes: 0,
  wbytes: 0,
  dbytes: 0,
  rios: 0,
  wios: 0,
  dios: 0,
  waitNs: 0,
  waits: 0,
  queued: 0,
  inflight: 0,
};

test('what was counted stays when there is room for more, and the reader is told of the room', (t) => {
  const told: FigureNews[] = [];
  const counters = new Counters((news) => told.push(news));
  counters.grow(1, 0);
  counters.admitted(0, 1, 4096);
  counters.grow(1, 0);
  t.is(told.length, 1);
  counters.grow(2, 0);
  t.is(told.length, 2);
  counters.queued(0);
  const [news] = told.slice(-1);
  if (news?.kind !== 'rows') throw new Error('no rows were told');
  const expected = { ...NOTHING, wbytes: 4096, wios: 1, queued: 1, inflight: 1 };
  t.deepEqual(memberFigures(0, news.members), expected);
  t.deepEqual(counters.ofMember(0), expected);
  t.deepEqual(counters.ofMember(1), NOTHING);
});

test('a request that waits, goes and completes', (t) => {
  const counters = new Counters();
  counters.grow(1, 0);
  counters.queued(0);
  t.deepEqual(counters.ofMember(0), { ...NOTHING, queued: 1 });
  counters.unqueued(0, 250);
  counters.admitted(0, 2, 512);
  counters.completed(0, 2, 512, 250, 100, 1000);
  t.deepEqual(counters.ofMember(0), { ...NOTHING, dbytes: 512, dios: 1, waitNs: 250, waits: 1 });
});

test('members and groups count what was admitted, waits and is in flight', (t) => {
  const throttle = new Throttle(16);
  const group = throttle.createGroup('a');
  const leaf = throttle.createGroup('a/b');
  const member = throttle.createMember('disk');
  throttle.moveMember(member, leaf, 0);
  throttle.setLimits(leaf, { wiops: 10 }, 0);
  throttle.submit(0, member, READ, 4096, 0);
  throttle.submit(1, member, WRITE, 512, 0);
  throttle.submit(2, member, DISCARD, 1024, 0);
  throttle.submit(3, member, WRITE, 512, 0);
  const zero = { rbytes: 0, wbytes: 0, dbytes: 0, rios: 0, wios: 0, dios: 0 };
  const idle = { waitNs: 0, waits: 0, queued: 0, inflight: 0 };
  const read = { ...zero, rbytes: 4096, rios: 1 };
  t.deepEqual(throttle.memberStats(member), { ...read, ...idle, queued: 3, inflight: 1 });
  t.deepEqual(takeAll(throttle, 0.2 * SECOND), [1, 2]);
  throttle.complete(0, SECOND);
  throttle.complete(1, SECOND);
  throttle.cancel(3);
  const moved = { ...read, wbytes: 512, wios: 1, dbytes: 1024, dios: 1 };
  const all = { ...moved, waitNs: 0.4 * SECOND, waits: 2 };
  t.deepEqual(throttle.memberStats(member), { ...all, queued: 0, inflight: 1 });
  t.deepEqual(throttle.groupStats(group), { ...all, queued: 0, inflight: 1 });
  throttle.moveMember(member, throttle.root, SECOND);
  t.deepEqual(throttle.groupStats(leaf), { ...all, queued: 0, inflight: 0 });
  t.deepEqual(throttle.groupStats(throttle.root), { ...all, queued: 0, inflight: 1 });
  throttle.complete(2, SECOND);
  throttle.removeGroup('a/b');
  t.deepEqual(throttle.groupStats(group), { ...all, queued: 0, inflight: 0 });
  throttle.removeGroup('a');
  t.deepEqual(throttle.groupStats(throttle.root), { ...all, queued: 0, inflight: 0 });
  t.deepEqual(throttle.groupStats(throttle.createGroup('c')), { ...zero, ...idle });
});
