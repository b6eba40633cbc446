import test from 'ava';
import { SizedGroups } from '../../src/control/sized-groups.js';
import { parseWords } from '../../src/control/text.js';
import { Throttle } from '../../src/throttle/throttle.js';

const GIB = 1_073_741_824;
const MS = 1_000_000;

function setUp() {
  const throttle = new Throttle(16);
  const web = throttle.createMember('web');
  const rule = throttle.createMember('uid:7');
  throttle.createGroup('gold');
  const gold = throttle.findGroup('gold')!;
  throttle.moveMember(web, gold, 0);
  throttle.moveMember(rule, gold, 0);
  const sizes = new Map([
    ['web', 2 * GIB],
    ['other', 50 * GIB],
  ]);
  const groups = new SizedGroups(throttle, () => sizes);
  const set = (...words: string[]) => groups.apply(gold, parseWords(words, false), 0);
  return { throttle, gold, sizes, groups, set };
}

test('a limit follows the images that are members, ten times a second at most', (t) => {
  const { gold, sizes, groups, set, throttle } = setUp();
  set('per_gb.iops=10', 'bps=5000');
  t.is(gold.limits.iops, 20);
  t.is(gold.limits.bps, 5000);
  t.deepEqual(groups.follow(false, 0), []);
  sizes.set('web', 3 * GIB);
  t.deepEqual(groups.follow(false, 99 * MS), []);
  t.is(gold.limits.iops, 20);
  t.deepEqual(groups.follow(false, 100 * MS), [gold]);
  t.is(gold.limits.iops, 30);
  // At an event, at once.
  sizes.set('web', 4 * GIB);
  t.deepEqual(groups.follow(true, 101 * MS), [gold]);
  t.is(gold.limits.iops, 40);
  sizes.delete('web');
  groups.follow(true, 102 * MS);
  t.is(gold.limits.iops, Infinity);
  t.deepEqual(throttle.warnings, []);
});

test('a burst goes and comes back with the size, and is told once when it is dropped', (t) => {
  const { gold, sizes, groups, set, throttle } = setUp();
  set('per_gb.iops=10', 'burst.iops=25/2');
  const burst = { rate: 25, seconds: 2 };
  t.deepEqual(gold.bursts.iops, burst);
  sizes.set('web', 3 * GIB);
  groups.follow(true, 0);
  t.is(gold.bursts.iops, null);
  sizes.set('web', GIB);
  groups.follow(true, 0);
  t.deepEqual(gold.bursts.iops, burst);
  t.deepEqual(throttle.warnings, []);
  set('per_gb.iops=max');
  t.is(groups.of(gold), undefined);
  t.is(gold.limits.iops, Infinity);
  t.is(gold.bursts.iops, null);
  t.deepEqual(throttle.warnings, [
    'group "gold": the burst of iops does not fit its new limit: dropped',
  ]);
});

test('a group that is gone is not followed', (t) => {
  const { gold, sizes, groups, set } = setUp();
  set('per_gb.iops=10');
  groups.remove(gold);
  sizes.set('web', 9 * GIB);
  t.deepEqual(groups.follow(true, 0), []);
});
