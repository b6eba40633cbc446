import test from 'ava';
import { READ, Throttle } from '../../src/throttle/throttle.js';
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
  t.true(simulation.throttle.groupStats(b).inflight <= 1);
  simulation.setThreads(0, 0);
  simulation.runUntil(3e9);
  t.is(simulation.throttle.groupStats(b).inflight, 64);
});

test('a sibling rests after each request while the target is missed with one in flight', (t) => {
  const throttle = new Throttle(64);
  const [a, b] = ['a', 'b'].map((name) => {
    const group = throttle.createGroup(name);
    const member = throttle.createMember(name);
    throttle.moveMember(member, group, 0);
    return { group, member };
  });
  throttle.setLatencyTarget(a!.group, 1000, 0);
  let now = 0;
  const one = (request: number, member: number, flight: number): void => {
    t.true(throttle.submit(request, member, READ, 4096, now));
    now += flight;
    throttle.complete(request, now);
  };
  // Above the target for long: the bound of b goes down to an eighth.
  for (let round = 0; round < 100; round++) one(0, a!.member, 5e6);
  one(1, b!.member, 1e6);
  t.false(throttle.submit(1, b!.member, READ, 4096, now));
  t.true(throttle.next(now) < 0);
  t.is(throttle.wakeAt, now + 7e6);
  t.true(throttle.next(now + 7e6 - 1) < 0);
  t.is(throttle.next(now + 7e6), 1);
});
