import test from 'ava';
import { makePlan, type Plan } from '../../../tools/vopr/plan.js';
import { TIGHT, tightOf } from '../../../tools/vopr/tight.js';
import { TIGHT_DEATHS, tightDeathOf } from '../../../tools/vopr/tight-deaths.js';

const SEEDS = 1000;

/** What is tight in a plan; null: nothing is. */
function tightIn({ sessions }: Plan): string | null {
  return sessions.find(({ tight }) => tight !== null)?.tight ?? null;
}

test('in a quarter of all runs something is tight, each thing in some', (t) => {
  const found = new Map<string, number>();
  for (let seed = 0; seed < SEEDS; seed++) {
    const tight = tightIn(makePlan(seed));
    if (TIGHT.some((one) => one === tight)) found.set(tight!, (found.get(tight!) ?? 0) + 1);
  }
  t.deepEqual([...found.keys()].sort(), [...TIGHT].sort());
  const all = [...found.values()].reduce((sum, count) => sum + count, 0);
  t.true(all > 0.2 * SEEDS && all < 0.3 * SEEDS, String(all));
});

test('nothing else depends on it: what failed once fails again with `loose`, or where nothing is tight', (t) => {
  for (let seed = 0; seed < 100; seed++) {
    const loose = makePlan(seed, { loose: true });
    t.is(tightIn(loose), null);
    if (tightOf(seed, {}) === null && tightDeathOf(seed, {}) === null)
      t.deepEqual(makePlan(seed), loose);
    for (const wishes of [{ servers: true }, { handOvers: true }]) {
      t.is(tightIn(makePlan(seed, wishes)), null);
    }
    const crashing = { crashes: true, loose: true };
    t.is(tightIn(makePlan(seed, crashing)), null);
    if (tightDeathOf(seed, {}) !== null) continue;
    t.deepEqual(makePlan(seed, { crashes: true }), makePlan(seed, crashing));
  }
});

test('of the runs whose daemons die, many do so at the moments that are looked for', (t) => {
  const found = new Map<string | null, number>();
  for (let seed = 0; seed < SEEDS; seed++) {
    const { sessions } = makePlan(seed, { crashes: true });
    const one = sessions.find(({ tight, deaths }) => tight !== null && deaths.length > 0);
    if (one !== undefined) found.set(one.tight, (found.get(one.tight) ?? 0) + 1);
  }
  t.deepEqual([...found.keys()].sort(), [...TIGHT_DEATHS].sort());
  for (const [tight, count] of found) t.true(count > SEEDS / 20, `${tight}: ${count}`);
});
