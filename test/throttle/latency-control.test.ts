import test from 'ava';
import { DEVICES } from '../../tools/simulator/devices.js';
import { type Settings, Simulation } from '../../tools/simulator/simulation.js';

function simulate(device: string, more: Partial<Settings>) {
  const settings = { depth: 'auto' as const, seconds: 4, warmUp: 1, seed: 3, loads: [] };
  return new Simulation({ ...settings, device: DEVICES[device], ...more });
}

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
