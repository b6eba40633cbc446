import test from 'ava';
import { fairCases } from '../../../tools/bench-fair/cases.js';

const cases = fairCases(128);

test('the main cases are there: four pairs of weights, reading, writing, both', (t) => {
  const founding = cases.filter(({ published, parties }) => {
    return published !== '-' && parties.length === 2 && parties.every(({ jobs }) => jobs === 128);
  });
  const ids = founding.map(({ id }) => id);
  for (const mix of ['read', 'write', 'mixed']) {
    for (const weights of ['80:20', '50:50', '20:80', '10:90']) {
      t.true(ids.includes(`${mix}/${weights}`), `${mix}/${weights}`);
    }
  }
  t.true(ids.includes('cgroup/80:20'));
  t.true(ids.includes('uid/80:20'));
});

test('shares asked for are those of the weights, and add up to 100', (t) => {
  for (const { id, parties } of cases) {
    t.is(Math.round(parties.reduce((sum, { wanted }) => sum + wanted, 0)), 100, id);
  }
  const tree = cases.find(({ id }) => id.startsWith('tree/'));
  // 80 of 100, of which 75 and 25 of 100 are 60 and 20.
  t.deepEqual(
    tree?.parties.map(({ group, wanted }) => [group, wanted]),
    [
      ['top/a', 60],
      ['top/b', 20],
      ['c', 20],
    ],
  );
});

test('a case is named once', (t) => {
  t.is(new Set(cases.map(({ id }) => id)).size, cases.length);
});
