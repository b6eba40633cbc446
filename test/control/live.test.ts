import test from 'ava';
import { FigureReader } from '../../src/control/figures.js';
import { type LiveAnswer, LiveGroups } from '../../src/control/live.js';
import { newSettings } from '../../src/control/settings.js';
import { requestsOf } from '../../src/control/usage.js';
import { newSharedFigures, putSharedFigures } from '../../src/lease/figures.js';
import { Counters } from '../../src/throttle/stats.js';
import { READ, Throttle } from '../../src/throttle/throttle.js';

const MOUNT = { depth: 'auto' as const, window: 8, cost: 'linear' as const };

function setUp() {
  const reader = new FigureReader();
  const throttle = new Throttle(64, 1, new Counters((news) => reader.take(news)));
  throttle.createGroup('gold');
  throttle.createGroup('gold/a');
  throttle.createGroup('idle');
  const member = throttle.createMember('disk');
  throttle.moveMember(member, throttle.findGroup('gold/a')!, 0);
  return { reader, throttle, member };
}

/** The answer of a daemon, as it comes over the socket. */
function answer(reader: FigureReader, known: string): LiveAnswer {
  const edition = `1-${reader.edition}`;
  const named = known === edition ? null : reader.named();
  return JSON.parse(JSON.stringify({ edition, named, busy: reader.busy(), mount: MOUNT }));
}

test('names and settings come once, and again after a change', (t) => {
  const { reader, throttle } = setUp();
  const live = new LiveGroups();
  const first = live.take(answer(reader, live.edition));
  t.deepEqual(
    first.map(({ path }) => path),
    ['', 'gold', 'gold/a', 'idle'],
  );
  t.deepEqual(first[2]!.members, [{ name: 'disk', figures: { queued: 0, inflight: 0 } }]);
  t.deepEqual(first[0]!.mount, MOUNT);
  t.is(answer(reader, live.edition).named, null);
  const settings = { ...newSettings(), weight: 7 };
  reader.take({ kind: 'settings', group: throttle.findGroup('idle')!.id, settings });
  const second = answer(reader, live.edition);
  t.deepEqual(second.named?.at(-1), { path: 'idle', settings: ['weight=7'], members: [] });
  t.deepEqual(live.take(second).at(-1)!.settings, settings);
});

test('only groups that have something to show are sent, and the others show nothing', (t) => {
  const { reader, throttle, member } = setUp();
  const live = new LiveGroups();
  live.take(answer(reader, ''));
  for (const request of [1, 2, 3]) throttle.submit(request, member, READ, 4096, 0);
  const told = answer(reader, live.edition);
  t.deepEqual(
    told.busy.map(({ path }) => path),
    ['/', 'gold', 'gold/a'],
  );
  t.deepEqual(told.busy[0]!.members, []);
  const groups = live.take(told);
  t.deepEqual(
    groups.map(({ total }) => total),
    [...Array(3).fill({ queued: 2, inflight: 1 }), { queued: 0, inflight: 0 }],
  );
  t.deepEqual(groups[2]!.members[0]!.figures, { queued: 2, inflight: 1 });
  t.is(requestsOf(groups[3]!.times.total), 0);
});

test('a group whose limits hosts share tells what it has without requests, too', (t) => {
  const { reader, throttle } = setUp();
  const figures = newSharedFigures();
  reader.take({ kind: 'shared', group: throttle.findGroup('idle')!.id, figures });
  const granted = [250, ...Array(5).fill(-1)];
  putSharedFigures(figures, {
    ...{ state: 'granted', fault: 'none', granted, wanted: granted, peers: 4 },
    ...{ ageMs: null, storeMs: 1 },
  });
  const live = new LiveGroups();
  const groups = live.take(answer(reader, ''));
  t.deepEqual(
    groups.filter(({ shared }) => shared !== undefined).map(({ path }) => path),
    ['idle'],
  );
  t.like(groups.at(-1)!.shared, { state: 'granted', granted, peers: 4 });
});
