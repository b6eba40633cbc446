import test from 'ava';
import { READ, Throttle, WRITE } from '../../src/throttle/throttle.js';
import { SluiceError } from '../../src/util/errors.js';
import { ClosedLoop } from './closed-loop.js';

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

test('cost models: by request, by byte, and between', (t) => {
  // 1 MiB against 4 KiB costs the same by requests, 256 to 1 by bytes, 48 to 1 in the linear model.
  for (const [model, large] of [
    ['ios', 2570 / 2],
    ['bytes', 10],
    ['linear', 2570 / 49],
  ] as const) {
    const loop = new ClosedLoop(
      [
        { group: 'a', bytes: 1048576 },
        { group: 'b', bytes: 4096 },
      ],
      1,
    ).beginAll();
    loop.throttle.setCostModel(model);
    loop.run(600);
    const [a] = loop.run(2570);
    t.true(Math.abs(a - large) <= 1, `${model}: ${a}`);
  }
});

test('a new weight counts from the next turn on', (t) => {
  const loop = new ClosedLoop([{ group: 'a' }, { group: 'b' }], 1).beginAll();
  t.deepEqual(loop.run(100), [50, 50]);
  loop.throttle.setWeight(loop.throttle.findGroup('a')!, 900);
  loop.run(10);
  t.deepEqual(loop.run(1000), [900, 100]);
});

test('the window bounds what is in flight, and a smaller one is reached as requests complete', (t) => {
  const throttle = new Throttle(16);
  const member = throttle.createMember('disk');
  throttle.setDepth(3, 0);
  t.deepEqual(
    [0, 1, 2, 3, 4].map((request) => throttle.submit(request, member, WRITE, 512, 0)),
    [true, true, true, false, false],
  );
  t.is(throttle.next(0), -1);
  t.is(throttle.wakeAt, Infinity);
  throttle.complete(1, 5);
  t.true(throttle.wakeAt <= 5);
  throttle.setDepth(2, 5);
  t.is(throttle.next(5), -1);
  throttle.complete(0, 6);
  t.is(throttle.next(6), 3);
  t.is(throttle.next(6), -1);
  throttle.setDepth('auto', 6);
  t.is(throttle.next(6), 4);
  t.deepEqual([throttle.depth, throttle.depthMode], [4096, 'auto']);
});

test('waiting for the window saves no credit: an opening window lets no burst through', (t) => {
  const throttle = new Throttle(4096);
  const member = throttle.createMember('disk');
  throttle.setLimits(throttle.root, { iops: 1000 }, 0);
  throttle.setDepth(1, 0);
  t.true(throttle.submit(0, member, READ, 4096, 0));
  for (let i = 1; i < 3000; i++) t.false(throttle.submit(i, member, READ, 4096, 0));
  t.is(throttle.next(2e9), -1);
  throttle.complete(0, 2e9);
  throttle.setDepth(4096, 2e9);
  let passed = 0;
  while (throttle.next(2e9) !== -1) passed++;
  // The allowance of 10 ms, and the request that was saved for.
  t.is(passed, 11);
});

test('a member in use cannot be removed; its number is used again, its past stays with the group', (t) => {
  const throttle = new Throttle(4);
  const member = throttle.createMember('a');
  throttle.submit(0, member, READ, 4096, 0);
  const error = t.throws(() => throttle.removeMember(member), { instanceOf: SluiceError });
  t.is(error.errno, 'EBUSY');
  throttle.complete(0, 1);
  throttle.removeMember(member);
  t.deepEqual([...throttle.root.members], []);
  t.is(throttle.groupStats(throttle.root).rios, 1);
  t.is(throttle.createMember('b'), member);
  t.is(throttle.memberStats(member).rios, 0);
});

test('weights, windows and models that are none are refused, and nothing is changed', (t) => {
  const throttle = new Throttle(4);
  const errno = (action: () => void): string => t.throws(action, { instanceOf: SluiceError }).errno;
  const group = throttle.createGroup('a');
  for (const weight of [0, -1, 10001]) {
    t.is(
      errno(() => throttle.setWeight(group, weight)),
      'ERANGE',
    );
  }
  for (const weight of [1.5, Number.NaN, Infinity]) {
    t.is(
      errno(() => throttle.setWeight(group, weight)),
      'EINVAL',
    );
  }
  for (const depth of [0, 4097])
    t.is(
      errno(() => throttle.setDepth(depth, 0)),
      'ERANGE',
    );
  t.is(
    errno(() => throttle.setCostModel('toString' as 'ios')),
    'EINVAL',
  );
  t.is(
    errno(() => throttle.setLatencyTarget(group, 0, 0)),
    'EINVAL',
  );
  t.deepEqual([group.weight, throttle.depthMode, throttle.costModel], [100, 'auto', 'linear']);
});
