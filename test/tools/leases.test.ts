import test from 'ava';
import { faultsOf, simulate } from '../../tools/leases/seeds.js';

const SEEDS = [1, 2, 3, 4, 5, 6, 7, 8];

test('grants never sum above the limit, and all is well again after the faults', (t) => {
  const kinds = new Set<string>();
  for (const seed of SEEDS) {
    const { faults, worst } = simulate(seed, 6);
    t.deepEqual(faults, [], `seed ${seed}`);
    t.true(worst > 0.5, `seed ${seed}: nobody had anything`);
    for (const [kind, value] of Object.entries(faultsOf(seed))) if (value > 0) kinds.add(kind);
  }
  // The seeds have every kind of fault.
  t.is(kinds.size, Object.keys(faultsOf(1)).length);
});

test('the same seed gives the same run', (t) => {
  t.deepEqual(simulate(3, 4), simulate(3, 4));
});
