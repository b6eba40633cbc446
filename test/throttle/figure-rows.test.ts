import test from 'ava';
import { copyRows, type FigureRows, RowSums } from '../../src/throttle/figure-rows.js';
import { LatencyReader } from '../../src/throttle/latency-reader.js';
import { Counters } from '../../src/throttle/stats.js';
import { READ, WRITE } from '../../src/throttle/throttle.js';

test('rows are added up, and forgotten', (t) => {
  let rows: FigureRows | null = null;
  const reader = new LatencyReader();
  const counters = new Counters((news) => {
    if (news.kind === 'rows') rows = news;
    if (news.kind !== 'latencies') return;
    reader.take({ words: new Uint32Array(news.page), doubles: new Float64Array(news.page) });
  });
  counters.grow(2, 1);
  for (const [member, direction] of [READ, WRITE].entries()) {
    counters.admitted(member, direction, 4096);
    counters.completed(member, direction, 4096, 0, 1000 * (1 + member), 0);
  }
  const copy = copyRows(rows!);
  counters.queued(0);
  const [one, all] = [new RowSums(['mount']), new RowSums(['mount'])];
  for (const member of [0, 1]) {
    one.clear();
    one.addRow(copy.members, member, reader, 0);
    all.add(one);
  }
  t.deepEqual(Object.keys(one.times), ['write']);
  t.like(all.figures, { rios: 1, wios: 1, rbytes: 4096, wbytes: 4096, queued: 0, inflight: 0 });
  t.is(all.times.read!.mount.requests, 1);
  t.is(all.times.write!.mount.service.max, 2);
  all.clear();
  t.deepEqual(all.times, {});
  t.is(all.figures.rios, 0);
});
