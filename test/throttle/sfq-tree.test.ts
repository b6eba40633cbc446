import test from 'ava';
import { READ, Throttle, WRITE } from '../../src/throttle/throttle.js';
import fc from '../helpers/random-sequences.js';
import { ClosedLoop } from './closed-loop.js';
import { inMs, runUntil, SECOND } from './drive.js';

test('groups share a full window by their weights', (t) => {
  for (const [a, b] of [
    [80, 20],
    [50, 50],
    [20, 80],
    [10, 90],
  ]) {
    const loop = new ClosedLoop(
      [
        { group: 'a', weight: a },
        { group: 'b', weight: b },
      ],
      2,
    ).beginAll();
    loop.run(100);
    t.deepEqual(loop.run(1000), [10 * a, 10 * b]);
  }
});

test('weights share level by level, and the members of a group share alike', (t) => {
  const loop = new ClosedLoop(
    [
      { group: 'a', weight: 75 },
      { group: 'b/x', weight: 9000 },
      { group: 'b/y', weight: 1000 },
      { group: 'b/y' },
    ],
    1,
    { b: 25 },
  ).beginAll();
  loop.run(400);
  const counts = loop.run(4000);
  for (const [i, ideal] of [3000, 900, 50, 50].entries()) {
    t.true(Math.abs(counts[i] - ideal) <= 1, `${counts}`);
  }
});

test('the members of the root group are one group of weight 100 beside the others', (t) => {
  const throttle = new Throttle(64);
  throttle.setDepth(1, 0);
  throttle.setWeight(throttle.createGroup('a'), 300);
  const members = ['a', 'b', 'c'].map((name) => throttle.createMember(name));
  throttle.moveMember(members[0], throttle.root.children.get('a')!, 0);
  for (let i = 0; i < 48; i++) throttle.submit(i, members[i % 3], READ, 4096, 0);
  const counts = [0, 0, 0];
  let inside = 0;
  for (let i = 0; i < 16; i++) {
    counts[inside % 3]++;
    throttle.complete(inside, i);
    inside = throttle.next(i);
  }
  t.deepEqual(counts, [12, 2, 2]);
});

test('a group without requests gives its share away at once, and comes back without credit or debt', (t) => {
  const loop = new ClosedLoop(
    [
      { group: 'a', weight: 50 },
      { group: 'b', weight: 50 },
    ],
    1,
  );
  loop.begin(0);
  t.deepEqual(loop.run(5000), [5000, 0]);
  loop.begin(1);
  loop.run(2);
  t.deepEqual(loop.run(100), [50, 50]);
  loop.stopped.add(0);
  loop.run(20);
  t.deepEqual(loop.run(1000), [0, 1000]);
});

test('a group that its own limit holds gives the rest of its share to the others', (t) => {
  const loop = new ClosedLoop(
    [
      { group: 'a', weight: 100 },
      { group: 'b', weight: 60 },
      { group: 'c', weight: 20 },
    ],
    4,
  ).beginAll();
  // Steps of 1 us are a million requests a second; a gets 100 000 of them.
  loop.throttle.setLimits(loop.throttle.findGroup('a')!, { iops: 100_000 }, loop.now);
  loop.run(20_000);
  const [a, b, c] = loop.run(10_000);
  t.true(Math.abs(a - 1000) <= 1, `${a}`);
  t.true(Math.abs(b - 6750) <= 3, `${b}`);
  t.true(Math.abs(c - 2250) <= 3, `${c}`);
});

test('below one limit groups share the limit by their weights', (t) => {
  const loop = new ClosedLoop(
    [
      { group: 'a', weight: 80 },
      { group: 'b', weight: 20 },
    ],
    64,
  ).beginAll();
  loop.throttle.setLimits(loop.throttle.root, { iops: 100_000 }, loop.now);
  loop.run(20_000);
  const [a, b] = loop.run(50_000);
  t.true(Math.abs(a - 4000) <= 1, `${a}`);
  t.true(Math.abs(b - 1000) <= 1, `${b}`);
});

test('a new weight counts from the next turn on', (t) => {
  const loop = new ClosedLoop([{ group: 'a' }, { group: 'b' }], 1).beginAll();
  t.deepEqual(loop.run(100), [50, 50]);
  loop.throttle.setWeight(loop.throttle.findGroup('a')!, 900);
  loop.run(10);
  t.deepEqual(loop.run(1000), [900, 100]);
});

test('a group of little weight that gets much does not wait for what its last request has cost', (t) => {
  const groups = [
    { group: 'a', weight: 1 },
    { group: 'b', weight: 1000 },
  ];
  const loop = new ClosedLoop(groups, 1).beginAll();
  // The first request of a has gone, and the next one is due after a thousand of b.
  t.deepEqual(loop.run(100), [0, 100]);
  loop.throttle.setWeight(loop.throttle.findGroup('a')!, 1000);
  t.deepEqual(loop.run(100), [50, 50]);
  loop.throttle.setWeight(loop.throttle.findGroup('a')!, 1);
  t.deepEqual(loop.run(100), [0, 100]);
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

const weightOf = fc.integer({ min: 1, max: 10000 });

const sizeOf = fc.constantFrom(512, 4096, 65536, 1048576);

/** Cost in the linear model by its description: 4 KiB is 1, 1 MiB is 48. */
const costOf = (bytes: number): number => 1 + (47 * (bytes - 4096)) / (1048576 - 4096);

test('backlogged groups get their shares to within a request of each, in any stretch of time', (t) => {
  const streamOf = fc.record({ weight: weightOf, bytes: sizeOf });
  const streamsOf = fc.array(streamOf, { minLength: 2, maxLength: 12 });
  const property = fc.property(streamsOf, fc.integer({ min: 1, max: 6 }), (list, depth) => {
    const streams = list.map((stream, i) => ({ ...stream, group: `g${i}`, outstanding: 16 }));
    const loop = new ClosedLoop(streams, depth).beginAll();
    loop.run(depth + 20);
    const counts = loop.run(1500);
    // Work per weight differs by no more than one request of each (start-time fair queueing's bound).
    const work = streams.map(({ weight, bytes }, i) => ({
      served: (counts[i] * costOf(bytes)) / weight,
      request: costOf(bytes) / weight,
    }));
    for (const one of work) {
      for (const other of work) {
        const bound = one.request + other.request + 1e-9;
        if (one.served - other.served > bound) throw new Error(`${counts}`);
      }
    }
  });
  t.notThrows(() => fc.assert(property, { numRuns: 200 }));
});
