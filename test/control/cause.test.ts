import test from 'ava';
import { causeOf } from '../../src/control/cause.js';
import { meanOf, sharesOf } from '../../src/control/usage.js';
import { parseGroup } from '../../src/tree/reports.js';
import { GROUPS } from '../helpers/top-sight.js';

function cause(path: string, groups = GROUPS): string {
  const group = groups.find((one) => one.path === path)!;
  const wait = meanOf(group.times.total, 'wait');
  return causeOf(group, group.total.queued, wait, groups, sharesOf(groups));
}

test('requests wait for a limit, of the group, above it or below it', (t) => {
  for (const name of ['lab/slow', 'lab', '']) t.is(cause(name), 'the limit iops of lab/slow', name);
  const files = { 'io.max': 'iops=1000' };
  const root = { ...GROUPS[0]!, settings: parseGroup('', files).settings };
  t.is(cause('silver', [root, ...GROUPS.slice(1)]), 'the limit iops of /');
});

test('or for their turn among the siblings', (t) => {
  t.is(cause('silver'), 'its turn; of the others gold gets most: 75%, by weight 80%');
  t.is(cause('silver', GROUPS.slice(0, 3).toSpliced(1, 1)), 'the disk');
});

test('or for nothing', (t) => {
  const idle = parseGroup('idle', {});
  t.is(cause('idle', [GROUPS[0]!, idle]), 'nothing');
});
