import test from 'ava';
import { makePlan, type Plan } from '../../../tools/vopr/plan.js';
import { TIGHT, tightOf } from '../../../tools/vopr/tight.js';

const SEEDS = 1000;

/** What is tight in a plan; null: nothing is. */
function tightIn({ sessions }: Plan): string | null {
  return sessions.find(({ tight }) => tight !== null)?.tight ?? null;
}

test('in a quarter of all runs something is tight, each thing in some', (t) => {
  const found = new Map<string, number>();
  for (let seed = 0; seed < SEEDS; seed++) {
    const tight = tightIn(makePlan(seed));
    if (tight !== null) found.set(tight, (found.get(tight) ?? 0) + 1);
  }
  t.deepEqual([...found.keys()].sort(), [...TIGHT].sort());
  const all = [...found.values()].reduce((sum, count) => sum + count, 0);
  t.true(all > 0.2 * SEEDS && all < 0.3 * SEEDS, String(all));
});

test('nothing else depends on it: what failed once fails again with `loose`, or where nothing is tight', (t) => {
  for (let seed = 0; seed < 100; seed++) {
    const loose = makePlan(seed, { loose: true });
    t.is(tightIn(loose), null);
    if (tightOf(seed, {}) === null) t.deepEqual(makePlan(seed), loose);
    for (const wishes of [{ crashes: true }, { servers: true }, { handOvers: true }]) {
      t.is(tightIn(makePlan(seed, wishes)), null);
    }
  }
});
