import test from 'ava';
import { getSharedFigures, newSharedFigures } from '../../src/lease/figures.js';
import { type Observation, ofGroups, ofShared } from '../../src/server/metric-rows.js';

/** Two groups, of which hosts share one. */
const ALL = {
  groups: [
    { path: '', shared: null, settings: { weight: 7 } },
    {
      path: 'gold',
      shared: { ...getSharedFigures(newSharedFigures()), peers: 3, granted: [-1, 5] },
    },
  ],
} as unknown as Observation;

test('a metric of each group has its name, / for the root group', (t) => {
  const row = ofGroups('gauge', 'number', 'help', ({ path }) => path.length);
  t.deepEqual(
    [...row.samples(ALL)],
    [
      [{ group: '/' }, 0],
      [{ group: 'gold' }, 4],
    ],
  );
  t.like(row, { name: 'sluice_group_number', labels: ['group'] });
});

test('a metric of shared groups leaves out the others, limits that are not shared, and what is not known', (t) => {
  const hosts = ofShared('hosts', 'help', { one: ({ peers }) => peers });
  t.deepEqual([...hosts.samples(ALL)], [[{ group: 'gold' }, 3]]);
  const granted = ofShared('granted', 'help', { each: (one) => one.granted });
  t.deepEqual([...granted.samples(ALL)], [[{ group: 'gold', rate: 'wbps' }, 5]]);
  t.deepEqual([...ofShared('age', 'help', { one: ({ ageMs }) => ageMs }).samples(ALL)], []);
});
