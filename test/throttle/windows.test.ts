import test from 'ava';
import { NodeTable } from '../../src/throttle/node-table.js';
import { Throttle, WRITE } from '../../src/throttle/throttle.js';
import { Windows } from '../../src/throttle/windows.js';
import { fairFrom, isolation, percentile, sharesOf, sumOf } from '../../tools/lib/shares.js';
import { DEVICES } from '../../tools/simulator/devices.js';
import { firstShare, type Settings, Simulation } from '../../tools/simulator/simulation.js';

const threads = (n: number, weights: readonly number[] = [80, 20]) =>
  weights.map((weight, i) => ({ group: 'abc'[i]!, weight, threads: n }));

function simulate(device: string, more: Partial<Settings>) {
  const settings = { depth: 'auto' as const, seconds: 2, warmUp: 0, seed: 3, loads: threads(128) };
  return new Simulation({ ...settings, device: DEVICES[device]!, ...more });
}

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

test('a window that becomes larger while it is full has a place from then on', (t) => {
  let found = 2;
  const windows = new Windows(new NodeTable(), 64);
  Object.assign(windows.contenders[0]!, { isDue: () => true, look: () => found });
  windows.take(0);
  windows.take(0);
  windows.follow(5);
  t.deepEqual([windows.isFull(0), windows.freeSince[0]], [true, -Infinity]);
  found = 4;
  windows.follow(9);
  t.deepEqual([windows.isFull(0), windows.freeSince[0]], [false, 9]);
  found = 8;
  windows.follow(12);
  t.is(windows.freeSince[0], 9);
});

// Parts of the threads' requests wait for their processors, so about 85 are all that the device needs.
for (const [device, most] of [
  ['virtio', 130],
  ['fixed', 200],
  ['ssd', 200],
] as const) {
  test(`${device}: every tenth of a second has the shares, and the device is busy`, (t) => {
    const without = simulate(device, { depth: 4096 }).run();
    for (const weights of [
      [80, 20],
      [10, 90],
      [50, 50],
      [60, 30, 10],
    ]) {
      const loads = threads(128, weights);
      const found = simulate(device, { loads, warmUp: 0.1, every: 0.1 }).run();
      const p1 = percentile(isolation(found.series, weights), 1);
      t.true(p1 >= 97, `${weights}: ${p1}`);
      t.true(found.total >= 0.97 * without.total, `${found.total} of ${without.total}`);
      if (weights[0] === 80) t.true(Math.max(...found.depths) < most, `${found.depths}`);
    }
  });
}

test('requests a second that wander by a tenth, and stalls, cost neither shares nor throughput', (t) => {
  const without = simulate('noisy', { depth: 4096, seconds: 8 }).run();
  const found = simulate('noisy', { seconds: 8, warmUp: 0.1, every: 0.1 }).run();
  const p1 = percentile(isolation(found.series, [80, 20]), 1);
  t.true(p1 >= 93, `${p1}`);
  t.true(found.total >= 0.95 * without.total, `${found.total} of ${without.total}`);
});

test('two levels: the window leaves a choice at both', (t) => {
  const loads = [
    { group: 'top/a', weight: 75, threads: 64 },
    { group: 'top/b', weight: 25, threads: 64 },
    { group: 'c', weight: 20, threads: 128 },
  ];
  const found = simulate('virtio', { loads, weights: { top: 80 }, warmUp: 0.1, every: 0.1 }).run();
  const p1 = percentile(isolation(found.series, [60, 20, 20]), 1);
  t.true(p1 >= 96, `${p1}`);
});

test('requests of 64 KiB and of 4 KiB share by their cost', (t) => {
  const [a, b] = threads(64);
  for (const loads of [
    [{ ...a!, bytes: 65536 }, b!],
    [a!, { ...b!, bytes: 65536 }],
  ]) {
    const found = simulate('ssd', { loads, warmUp: 0.1 }).run();
    const [share] = sharesOf(sumOf(found.series));
    t.true(Math.abs(share! - 80) < 0.5, `${share}`);
  }
});

test('4 + 4 threads: shares within half a point, for two thirds of the throughput', (t) => {
  const loads = threads(4);
  const without = simulate('virtio', { loads, depth: 4096 }).run();
  const found = simulate('virtio', { loads, warmUp: 0.1 }).run();
  t.true(Math.abs(firstShare(found) - 80) < 0.5, `${firstShare(found)}`);
  t.true(found.total >= 0.67 * without.total, `${found.total} of ${without.total}`);
});

test('one group alone is not held back by any window', (t) => {
  const found = simulate('fixed', { loads: threads(128, [80]) }).run();
  t.deepEqual(new Set(found.depths), new Set([4096]));
});

test('a single thread, or one that thinks, does not hold up a group of many', (t) => {
  for (const think of [0, 1e6]) {
    const [a, b] = threads(128);
    const loads = [{ ...a!, threads: 1, think }, b!];
    const without = simulate('fixed', { loads, depth: 4096 }).run();
    const found = simulate('fixed', { loads }).run();
    t.true(found.total >= 0.99 * without.total, `${found.total} of ${without.total}`);
  }
});

test('a group that its limit holds does not make the window small', (t) => {
  const simulation = simulate('fixed', { loads: threads(128), warmUp: 0.5 });
  simulation.throttle.setLimits(simulation.throttle.findGroup('a')!, { iops: 5000 }, 0);
  const found = simulation.run();
  t.true(Math.abs(found.rates[0]! - 5000) < 10, `${found.rates[0]}`);
  t.true(found.total > 79_000, `${found.total}`);
});

test('a group that starts has its share within 50 ms, one that stops gives it away within 10 ms', (t) => {
  const [a, b] = threads(128);
  const loads = [{ ...a!, from: 1, until: 2 }, b!];
  const { series } = simulate('virtio', { loads, seconds: 2.1, every: 0.01 }).run();
  const fair = fairFrom(isolation(series.slice(100, 200), [80, 20]), 95, 5);
  t.true(fair >= 0 && fair < 5, `${fair}`);
  // From the second on 128 requests of a complete, and the rest is b's.
  const before = sumOf(series.slice(50, 100))[1]! / 50;
  t.true(series[201]![1]! > 0.9 * before, `${series[201]} of ${before}`);
});

test('a new weight holds within 20 ms', (t) => {
  const action = ({ throttle }: Simulation) => throttle.setWeight(throttle.findGroup('a')!, 20);
  const changes = [{ at: 1, action }];
  const { series } = simulate('virtio', { loads: threads(128), changes, every: 0.01 }).run();
  const fair = fairFrom(isolation(series.slice(100), [50, 50]), 95, 5);
  t.true(fair >= 0 && fair < 2, `${fair}`);
});

test('a device in memory, which is never what is waited for, is not slowed down', (t) => {
  const without = simulate('memory', { depth: 4096, seconds: 1 }).run();
  const found = simulate('memory', { seconds: 1 }).run();
  t.true(found.total >= 0.99 * without.total);
});

test('a fixed window that groups cannot fill has no weights, whatever was before', (t) => {
  const simulation = simulate('virtio', { every: 0.1 });
  simulation.runUntil(1e9);
  simulation.throttle.setDepth(256, 1e9);
  simulation.runUntil(1.1e9);
  const found = simulation.run();
  const [share] = sharesOf(sumOf(found.series.slice(-10)));
  t.true(Math.abs(share! - 50) < 1, `${share}`);
});

// 8 units of 100 us beside 16 of 8 ms.
const SLOW = { name: 'slow', rate: (n: number) => Math.min(n, 16) * 125, clientRate: 1e9 };

function onTwo(more: Partial<Settings>) {
  return simulate('fixed', { others: [SLOW], warmUp: 0.5, ...more });
}

test('a slow disk does not hold a fast one to its weight, whatever the window', (t) => {
  const [a, b] = threads(128, [50, 50]);
  for (const depth of ['auto', 64] as const) {
    const { rates } = onTwo({ loads: [a!, { ...b!, device: 1 }], depth }).run();
    t.true(rates[0]! > 79_000 && rates[1]! > 1900, `${depth}: ${rates}`);
  }
});

test('weights share each device by itself', (t) => {
  const [a, b] = threads(128);
  const slow = [a!, b!].map((load) => ({ ...load, threads: 64, device: 1 }));
  const { rates, depths } = onTwo({ loads: [a!, b!, ...slow] }).run();
  t.true(rates[0]! + rates[1]! > 79_000 && rates[2]! + rates[3]! > 1900, `${rates}`);
  for (const [one, other] of [
    [0, 1],
    [2, 3],
  ] as const) {
    const share = (100 * rates[one]!) / (rates[one]! + rates[other]!);
    t.true(Math.abs(share - 80) < 1, `${rates}`);
  }
  t.true(Math.max(...depths) < 100, 'the smallest window is told');
});

test('a limit bounds what a group does on all devices, and large requests do not starve', (t) => {
  const [a, b] = threads(128);
  for (const [bytes, largeBytes] of [
    [4096, 1048576],
    [1048576, 4096],
  ] as const) {
    const loads = [
      { ...a!, threads: 32, bytes },
      b!,
      { ...a!, threads: 32, bytes: largeBytes, device: 1 },
    ];
    const simulation = onTwo({ loads, seconds: 4 });
    simulation.throttle.setLimits(simulation.throttle.findGroup('a')!, { bps: 50e6 }, 0);
    const { rates } = simulation.run();
    const sum = rates[0]! * bytes + rates[2]! * largeBytes;
    t.true(Math.abs(sum - 50e6) < 1e6, `${sum}`);
    t.true(rates[0]! > 10 && rates[2]! > 10, `${rates}`);
  }
});

test('a minimum holds on a device beside a fast one', (t) => {
  const loads = [
    { group: 'a', weight: 100, threads: 128 },
    { group: 'b', weight: 1, threads: 64, device: 1, minimum: 1000 },
    { group: 'c', weight: 1000, threads: 64, device: 1 },
  ];
  const { rates } = onTwo({ loads }).run();
  t.true(rates[1]! > 950, `${rates}`);
});
