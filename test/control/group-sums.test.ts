import test from 'ava';
import { sumGroups } from '../../src/control/group-sums.js';
import { copyRows, type FigureRows } from '../../src/throttle/figure-rows.js';
import { LatencyReader, SPANS } from '../../src/throttle/latency-reader.js';
import { Counters } from '../../src/throttle/stats.js';
import { READ, WRITE } from '../../src/throttle/throttle.js';

const SECOND = 1e9;

test('a group has the sums of its members and of the groups below it', (t) => {
  let rows: FigureRows | null = null;
  const reader = new LatencyReader();
  const counters = new Counters((news) => {
    if (news.kind === 'rows') rows = news;
    if (news.kind === 'latencies') {
      const { page } = news;
      reader.take({ words: new Uint32Array(page), doubles: new Float64Array(page) });
    }
  });
  counters.grow(8, 8);
  const leaf = { id: 2, members: new Set([0, 1]), children: new Map() };
  const empty = { id: 3, members: new Set<number>(), children: new Map() };
  const children = new Map([
    ['leaf', leaf],
    ['empty', empty],
  ]);
  const root = { id: 0, members: new Set([2]), children };
  for (const [member, direction, us] of [
    [0, READ, 10],
    [0, READ, 10],
    [1, WRITE, 12],
    [2, READ, 14],
  ] as const) {
    counters.admitted(member, direction, 4096);
    counters.completed(member, direction, 4096, 0, us * 1000, SECOND);
  }
  counters.queued(1);
  const sums = sumGroups(root, copyRows(rows!), reader, 2, SPANS);
  const shown = (node: typeof empty) => {
    const { figures, times } = sums.get(node)!;
    const { read, write } = times;
    return [figures.queued, read?.second.requests, write?.second.requests, read?.mount.wait.max];
  };
  t.deepEqual(shown(root), [1, 3, 1, 0]);
  t.deepEqual(shown(leaf), [1, 2, 1, 0]);
  t.deepEqual(shown(empty), [0, undefined, undefined, undefined]);
  t.is(sums.get(root)!.times.read!.mount.service.max, 14);
  t.is(sums.get(leaf)!.times.read!.mount.service.max, 10);
  const member = sums.get(leaf)!.members.get(1)!;
  t.deepEqual([member.figures.wios, member.figures.queued], [1, 1]);
  t.like(member.times, { write: { second: { requests: 1, bytes: 4096 } } });
  const live = sumGroups(leaf, copyRows(rows!), reader, 2, ['second']);
  t.deepEqual(Object.keys(live.get(leaf)!.times.read!), ['second']);
});
