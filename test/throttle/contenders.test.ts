import test from 'ava';
import { Contenders } from '../../src/throttle/contenders.js';
import { ELIGIBLE, NONE, NodeTable, PENDING, ROOT } from '../../src/throttle/node-table.js';

const MS = 1e6;
const [A, B, TOP, C] = [2, 4, 6, 8] as [number, number, number, number];

/** Groups a, b and c; with `inner`, a and b are below a group. Weights 80, 20 and 20. */
function setUp(inner = false) {
  const nodes = new NodeTable();
  nodes.grow(16);
  nodes.add(ROOT, NONE);
  nodes.add(TOP, ROOT);
  for (const leaf of [A, B]) nodes.add(leaf, inner ? TOP : ROOT);
  nodes.add(C, ROOT);
  for (const [leaf, weight] of [
    [A, 80],
    [B, 20],
    [C, 20],
    [TOP, 20],
  ] as const) {
    nodes.inverseWeight[leaf] = 1 / weight;
  }
  const contenders = new Contenders(nodes, ROOT);
  let now = 0;
  /** Gives groups their numbers of requests, all of them waiting, and looks `times`, 1 ms apart. */
  const look = (requests: readonly (readonly [number, number])[], times = 400, fixed = 0) => {
    nodes.queued[ROOT] = 0;
    for (const [leaf, count] of requests) {
      nodes.queued[leaf] = count;
      nodes.queued[ROOT] += count;
      for (let node = leaf; node !== ROOT; node = nodes.parent[node]!)
        nodes.state[2 * node] = ELIGIBLE;
      contenders.appear(leaf);
    }
    let window = Number.NaN;
    for (let i = 0; i < times; i++) {
      now += MS;
      window = contenders.look(fixed, now);
    }
    return window;
  };
  for (const leaf of [A, B, C]) contenders.completed(leaf, 1, 1000);
  return { nodes, contenders, look };
}

test('requests that take no time need no window', (t) => {
  const { nodes, look } = setUp();
  const both = [
    [A, 128],
    [B, 128],
  ] as const;
  nodes.flightTime.fill(0);
  t.is(look(both), Infinity);
  nodes.flightTime[A] = 1000;
  t.is(look(both), 127);
});

test('the window leaves one request of the group that has the fewest for its share', (t) => {
  const { look } = setUp();
  t.is(
    look([
      [A, 128],
      [B, 128],
    ]),
    Math.ceil(126.5 / 0.8),
  );
  t.is(
    look([
      [A, 64],
      [B, 128],
    ]),
    Math.ceil(62.5 / 0.8),
  );
  t.is(
    look([
      [A, 4],
      [B, 4],
    ]),
    Math.ceil(2.5 / 0.8),
  );
});

test('there is no window for one group, nor for one request of each', (t) => {
  const { look } = setUp();
  t.is(look([[A, 128]]), Infinity);
  t.is(
    look([
      [A, 1],
      [B, 1],
    ]),
    Infinity,
  );
});

test('a group that its share would need too small a window for does not contend', (t) => {
  const { look, nodes } = setUp();
  t.is(
    look([
      [A, 4],
      [B, 128],
    ]),
    Infinity,
  );
  t.deepEqual([nodes.isContender[A], nodes.isContender[B]], [0, 0]);
  // It takes up its places beside the two others.
  t.is(
    look([
      [A, 4],
      [B, 128],
      [C, 128],
    ]),
    2 * 126.5,
  );
  nodes.inflight[A] = nodes.inflight[ROOT] = 3;
  t.is(
    look([
      [A, 1],
      [B, 128],
      [C, 128],
    ]),
    2 * 126.5 + 3,
  );
});

test('a group that contends goes on to half of that', (t) => {
  const { look } = setUp();
  t.is(
    look([
      [A, 16],
      [B, 128],
    ]),
    Math.ceil(14.5 / 0.8),
  );
  t.is(
    look([
      [A, 12],
      [B, 128],
    ]),
    14,
    '15 places, of which one is free',
  );
  t.is(
    look([
      [A, 4],
      [B, 128],
    ]),
    Infinity,
  );
  t.is(
    look([
      [A, 12],
      [B, 128],
    ]),
    Infinity,
  );
});

test('shares are those of all levels', (t) => {
  const { look } = setUp(true);
  // a has 80 % of the half of the group above.
  t.is(
    look([
      [A, 64],
      [B, 64],
      [C, 128],
    ]),
    Math.ceil(62.5 / 0.4),
  );
});

test('requests that take longer for their cost take up more places', (t) => {
  const { look, contenders } = setUp();
  for (let i = 0; i < 2000; i++) contenders.completed(B, 1, 4000);
  // The places are divided 80 : 4 * 20.
  t.is(
    look([
      [A, 128],
      [B, 128],
    ]),
    Math.ceil(126.5 / 0.5),
  );
});

test('a smaller number of requests counts soon, and a greater one later', (t) => {
  const { look } = setUp();
  t.is(
    look([
      [A, 128],
      [B, 128],
    ]),
    159,
  );
  t.true(
    look(
      [
        [A, 64],
        [B, 128],
      ],
      8,
    ) < 90,
  );
  const after = look(
    [
      [A, 128],
      [B, 128],
    ],
    8,
  );
  t.true(after > 100 && after < 150, `${after}`);
});

test('a group whose limit stops its requests does not contend', (t) => {
  const { look, nodes } = setUp();
  t.is(
    look([
      [A, 128],
      [B, 128],
      [C, 128],
    ]),
    Math.ceil(126.5 / (80 / 120)),
  );
  nodes.state[2 * A] = PENDING;
  const rest = [
    [B, 128],
    [C, 128],
  ] as const;
  t.is(look(rest, 1), 2 * 126.5);
});

test('groups that cannot fill their part of a fixed window do not contend', (t) => {
  const { look, nodes } = setUp();
  look(
    [
      [A, 128],
      [B, 128],
    ],
    64,
    256,
  );
  t.deepEqual([nodes.isContender[A], nodes.isContender[B]], [0, 0]);
  look(
    [
      [A, 128],
      [B, 128],
    ],
    1,
    150,
  );
  t.deepEqual([nodes.isContender[A], nodes.isContender[B]], [1, 1]);
});

test('a group that has got groups below it is forgotten', (t) => {
  const { look, contenders, nodes } = setUp();
  look([
    [A, 8],
    [TOP, 8],
  ]);
  contenders.remove(TOP);
  look([[A, 8]]);
  t.deepEqual([nodes.isListed[TOP], nodes.isContender[TOP]], [0, 0]);
  contenders.remove(TOP);
});

test('with many groups they are looked at less often', (t) => {
  const { look, contenders } = setUp();
  look(
    [
      [A, 8],
      [B, 8],
    ],
    1,
  );
  t.false(contenders.isDue(1.9 * MS));
  t.true(contenders.isDue(2 * MS));
});
