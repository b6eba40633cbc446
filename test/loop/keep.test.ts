import test from 'ava';
import { Keep } from '../../src/loop/keep.js';
import { KeptGroups } from '../../src/plane/kept-groups.js';
import { type KeptState, type PackedState, unpack } from '../../src/plane/kept-state.js';

const MS = 1e6;

/** A keep over a plane that is only numbers; `takesNs` is what it takes to write. */
function setUp(takesNs = 0) {
  const plane = {
    ...{ isReceiving: true, nowNs: 0 },
    asked: { newestHandle: 0, changes: 0 },
  };
  const throttle = {
    ...{ depthMode: 64 as number | 'auto', costModel: 'linear' },
    carryOut: () => ({ groups: [], members: [] }),
  };
  const tree = { changes: 1, nodeIds: { ids: [], next: 2 } };
  const dispatcher = { changes: 0, carryOut: () => 'session' };
  const session = { sent: new Int32Array(1), sentCount: 0 };
  const groups = new KeptGroups();
  const written: KeptState[] = [];
  const file = {
    write: (state: unknown): void => {
      written.push(unpack(state as PackedState));
      plane.nowNs += takesNs;
    },
  };
  const parts = {
    ...{
      plane,
      throttle,
      tree,
      session,
      dispatcher,
      groups,
      file,
      images: { wholes: [], all: [] },
    },
    now: () => plane.nowNs,
  };
  const keep = new Keep(parts as never);
  keep.isBegun = true;
  /** How many states are written in a turn at a moment. */
  const turn = (atMs: number): number => {
    const before = written.length;
    plane.nowNs = Math.max(plane.nowNs, atMs * MS);
    keep.look();
    return written.length - before;
  };
  return { keep, turn, plane, throttle, tree, dispatcher, groups, written };
}

test('what is open and which groups there are is kept in the turn in which it changes', (t) => {
  const { turn, plane, throttle, tree, dispatcher, groups, written } = setUp();
  t.deepEqual([turn(0), turn(1)], [1, 0]);
  const changes: (() => unknown)[] = [
    () => plane.asked.changes++,
    () => tree.changes++,
    () => dispatcher.changes++,
    () => groups.take({ kind: 'group', id: 1, name: 'web', parent: 0 } as never),
    () => (throttle.depthMode = 'auto'),
    () => (throttle.costModel = 'bytes'),
  ];
  for (const change of changes) {
    change();
    t.deepEqual([turn(1), turn(1)], [1, 0], change.toString());
  }
  t.is(written.at(-1)?.depth, 'auto');
  t.is(written.at(-1)?.session, 'session');
});

test('what groups owe is kept a moment later, less often where that takes long', (t) => {
  const quick = setUp();
  t.deepEqual([quick.turn(0), quick.turn(19), quick.turn(20)], [1, 0, 1]);
  const slow = setUp(10 * MS);
  t.deepEqual([slow.turn(0), slow.turn(20), slow.turn(519), slow.turn(520)], [1, 1, 0, 1]);
  const slowest = setUp(100 * MS);
  const turns = [0, 100, 599, 600].map((atMs) => slowest.turn(atMs));
  t.deepEqual(turns, [1, 1, 0, 1], 'half a second later at the latest');
  // What is let go before the next one is in none of them.
  t.deepEqual(
    slow.written.map(({ plane }) => plane.unseenNs),
    [20 * MS, 500 * MS, 500 * MS],
  );
});

test('of what is open alone nothing else is written anew', (t) => {
  const { turn, plane, throttle, tree, dispatcher } = setUp();
  let made = 0;
  throttle.carryOut = () => {
    made++;
    return { groups: [], members: [] };
  };
  Object.defineProperty(tree, 'nodeIds', { get: () => ({ ids: [], next: ++made }) });
  turn(0);
  t.is(made, 2);
  plane.asked.changes++;
  dispatcher.changes++;
  t.deepEqual([turn(1), made], [1, 2], 'neither debts nor nodes');
  tree.changes++;
  t.deepEqual([turn(2), made], [1, 3], 'nodes');
  t.deepEqual([turn(20), made], [1, 4], 'debts');
});

test('nothing is kept before INIT is answered, and at the end of a mount', (t) => {
  const { keep, turn, plane, written } = setUp();
  keep.isBegun = false;
  t.is(turn(0), 0);
  keep.isBegun = true;
  plane.isReceiving = false;
  t.is(turn(200), 0);
  t.deepEqual(written, []);
});
