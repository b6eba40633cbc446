import test from 'ava';
import { DEVICES } from '../../tools/simulator/devices.js';
import { firstShare, type Settings, Simulation } from '../../tools/simulator/simulation.js';

const threads = (n: number) => [
  { group: 'a', weight: 80, threads: n },
  { group: 'b', weight: 20, threads: n },
];

function simulate(device: string, more: Partial<Settings>) {
  const settings = { depth: 'auto' as const, seconds: 4, warmUp: 1, seed: 3, loads: threads(128) };
  return new Simulation({ ...settings, device: DEVICES[device], ...more });
}

// Eight units of 100 us are full with 8 requests in flight, 32 units of 350 us with 32.
for (const [device, least, most] of [
  ['fixed', 7, 10],
  ['ssd', 28, 48],
] as const) {
  test(`${device}: the window found keeps 97 % of the throughput, and shares are the weights`, (t) => {
    const without = simulate(device, { depth: 4096 }).run();
    const found = simulate(device, {}).run();
    t.true(found.total >= 0.97 * without.total, `${found.total} of ${without.total}`);
    t.true(Math.abs(firstShare(found) - 80) < 1, `${firstShare(found)}`);
    const last = found.depths.at(-1)!;
    t.true(last >= least && last <= most, `${found.depths}`);
  });
}

test('where 97 % leave weights no choice the window costs up to a tenth, and shares keep', (t) => {
  const without = simulate('virtio', { depth: 4096 }).run();
  const found = simulate('virtio', { seconds: 16, warmUp: 2 }).run();
  t.true(found.total >= 0.9 * without.total, `${found.total} of ${without.total}`);
  t.true(Math.abs(firstShare(found) - 80) < 1.5, `${firstShare(found)}`);
});

test('one group alone is not held back by any window', (t) => {
  const found = simulate('fixed', { loads: threads(128).slice(0, 1) }).run();
  t.deepEqual(new Set(found.depths), new Set([4096]));
});

test('a change of load is answered within two seconds', (t) => {
  const simulation = simulate('ssd', {});
  simulation.runUntil(3e9);
  t.true(simulation.throttle.depth < 64, `${simulation.throttle.depth}`);
  // b leaves: no window.
  simulation.setThreads(1, 0);
  simulation.runUntil(5e9);
  t.is(simulation.throttle.depth, 4096);
  simulation.setThreads(1, 128);
  simulation.runUntil(7e9);
  t.true(simulation.throttle.depth < 64, `${simulation.throttle.depth}`);
});

test('a device in memory, which is never what is waited for, is not slowed down', (t) => {
  const without = simulate('memory', { depth: 4096, seconds: 1, warmUp: 0.5 }).run();
  const found = simulate('memory', { seconds: 1, warmUp: 0.5 }).run();
  t.true(found.total >= 0.99 * without.total);
});

test('one thread with a target keeps 80 % of its rate against 128', (t) => {
  const one = { group: 'a', weight: 80, threads: 1 };
  const crowd = { group: 'b', weight: 20, threads: 128 };
  for (const device of ['fixed', 'ssd', 'virtio']) {
    const alone = simulate(device, { loads: [one] }).run().total;
    const latencyTarget = 1.05e9 / alone;
    const loads = [{ ...one, latencyTarget }, crowd];
    const [rate] = simulate(device, { loads, warmUp: 2 }).run().rates;
    t.true(rate >= 0.8 * alone, `${device}: ${rate} of ${alone}`);
    const [without] = simulate(device, { loads: [one, crowd], depth: 4096 }).run().rates;
    t.true(without < 0.3 * alone, `${device}: ${without} of ${alone}`);
  }
});

test('siblings grow back when the group with the target is idle', (t) => {
  const loads = [
    { group: 'a', weight: 80, threads: 1, latencyTarget: 1e3 },
    { group: 'b', weight: 20, threads: 128 },
  ];
  const simulation = simulate('fixed', { loads, depth: 64 });
  simulation.runUntil(1e9);
  const b = simulation.throttle.findGroup('b')!;
  t.is(simulation.throttle.groupStats(b).inflight, 1);
  simulation.setThreads(0, 0);
  simulation.runUntil(3e9);
  t.is(simulation.throttle.groupStats(b).inflight, 64);
});
