import test from 'ava';
import { rowsOf } from '../../../src/cli/top/rows.js';
import { FIRST_STATE, type State } from '../../../src/cli/top/state.js';
import { testSight } from '../../helpers/top-sight.js';

const names = (changes: Partial<State>): string[] =>
  rowsOf(testSight(), { ...FIRST_STATE, ...changes }).map(
    ({ name, depth }) => `${'.'.repeat(depth)}${name}`,
  );

test('groups are a tree, with their members below them', (t) => {
  t.deepEqual(names({}), [
    '/',
    '.gold',
    '..web',
    '.silver',
    '..db',
    '.lab',
    '..slow',
    '...disk\u001b[2J',
  ]);
  t.deepEqual(names({ showsMembers: false }), ['/', '.gold', '.silver', '.lab', '..slow']);
});

test('a folded group hides what is below it', (t) => {
  t.deepEqual(names({ folded: new Set(['/lab', '/gold']) }), [
    '/',
    '.gold',
    '.silver',
    '..db',
    '.lab',
  ]);
  t.deepEqual(names({ folded: new Set(['/']) }), ['/']);
});

test('siblings are sorted, and stay below their group', (t) => {
  const order = 'queued';
  t.deepEqual(names({ order, showsMembers: false }), ['/', '.lab', '..slow', '.silver', '.gold']);
  t.deepEqual(names({ order: 'requests', showsMembers: false }).slice(0, 3), [
    '/',
    '.gold',
    '.silver',
  ]);
});

test('a filter leaves what has the text in its name, with the groups above, folded or not', (t) => {
  t.deepEqual(names({ filter: 'SLO', folded: new Set(['/lab']) }), ['/', '.lab', '..slow']);
  t.deepEqual(names({ filter: 'db' }), ['/', '.silver', '..db']);
  t.deepEqual(names({ filter: 'nothing' }), ['/']);
});
