import test from 'ava';
import { planGroups } from '../../src/control/plan-groups.js';
import type { GroupsConfig } from '../../src/control/set-up-groups.js';
import { parseWords } from '../../src/control/text.js';

/** Groups by words: `gold bps=10M`, `> web gold` for a member. */
function groups(...lines: string[]): GroupsConfig {
  const config: GroupsConfig = { depth: 'auto', groups: [], assignments: [] };
  for (const line of lines) {
    const [first = '', ...words] = line.split(' ');
    const path = first === '/' ? '' : first;
    if (first === '>') config.assignments.push({ member: words[0]!, group: words[1]! });
    else
      config.groups.push({ path, changes: words.length > 0 ? parseWords(words, path === '') : {} });
  }
  return config;
}

test('nothing is different: no step', (t) => {
  const config = groups('/ depth=16', 'gold bps=10M weight=7', '> web gold', '> uid:1 gold');
  t.deepEqual(planGroups(config, structuredClone(config)), []);
});

test('values that changed are set, and those that are not written any more are those of a new group', (t) => {
  t.deepEqual(
    planGroups(
      groups('gold bps=10M iops=5 burst.iops=9/3 weight=7 latency=2ms', 'same bps=1M'),
      groups('gold bps=20M weight=7', 'same bps=1024K'),
    ),
    [
      {
        kind: 'set',
        group: 'gold',
        changes: {
          limits: { bps: 20971520, iops: Infinity },
          bursts: { iops: null },
          latencyTarget: Infinity,
        },
      },
    ],
  );
});

test('the depth of the mount and that of the root group are one', (t) => {
  const set = (depth: 'auto' | number) => [{ kind: 'set', group: '', changes: { depth } }];
  t.deepEqual(planGroups(groups(), groups('/ depth=16')), set(16));
  t.deepEqual(planGroups(groups('/ depth=16'), { ...groups(), depth: 16 }), []);
  t.deepEqual(planGroups(groups('/ depth=16'), groups('/ weight=7')), [
    { kind: 'set', group: '', changes: { weight: 7, depth: 'auto' } },
  ]);
});

test('members leave before groups go, and enter when groups are there', (t) => {
  const web = { kind: 'image', name: 'web' };
  const uid = { kind: 'uid', id: 1 };
  t.deepEqual(
    planGroups(
      groups('a/old', '> web a/old', '> uid:1 a/old', '> gid:2 b'),
      groups('a', 'b/new', '> web a', '> gid:2 b/new'),
    ),
    [
      { kind: 'move', member: web, group: '' },
      { kind: 'drop', member: uid },
      { kind: 'move', member: { kind: 'gid', id: 2 }, group: '' },
      { kind: 'remove', group: 'a/old' },
      { kind: 'make', group: 'b' },
      { kind: 'make', group: 'b/new' },
      { kind: 'move', member: web, group: 'a' },
      { kind: 'move', member: { kind: 'gid', id: 2 }, group: 'b/new' },
    ],
  );
});
