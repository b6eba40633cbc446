import test from 'ava';
import { Counters, type FigureNews, memberFigures } from '../../src/throttle/stats.js';

const NOTHING = {
  rbytes: 0,
  wbytes: 0,
  dbytes: 0,
  rios: 0,
  wios: 0,
  dios: 0,
  waitNs: 0,
  queued: 0,
  inflight: 0,
};

test('what was counted stays when there is room for more, and the reader is told of the room', (t) => {
  const told: FigureNews[] = [];
  const counters = new Counters((news) => told.push(news));
  counters.growMembers(1);
  counters.admitted(0, 1, 4096);
  counters.growMembers(1);
  t.is(told.length, 1);
  counters.growMembers(2);
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
  counters.growMembers(1);
  counters.queued(0);
  t.deepEqual(counters.ofMember(0), { ...NOTHING, queued: 1 });
  counters.unqueued(0, 250);
  counters.admitted(0, 2, 512);
  counters.completed(0);
  t.deepEqual(counters.ofMember(0), { ...NOTHING, dbytes: 512, dios: 1, waitNs: 250 });
});
