import test from 'ava';
import { parseSettings } from '../../src/control/settings.js';
import { SluiceError } from '../../src/util/errors.js';

test('words of one file become one text, and files come in the order in which they need each other', (t) => {
  t.deepEqual(parseSettings(['burst.bps=4M/5', 'weight=80', 'wbps=max', 'bps=1M'], false), [
    { file: 'io.max', text: 'wbps=max bps=1M' },
    { file: 'io.burst', text: 'bps=4M/5' },
    { file: 'io.weight', text: '80' },
  ]);
  t.deepEqual(parseSettings(['members=web', 'member=my disk'], false), [
    { file: 'members', text: 'web\nmy disk' },
  ]);
});

test('what is wrong is told before anything is written', (t) => {
  const cases: [string[], string, string][] = [
    [[], 'EINVAL', 'nothing to set; write for instance iops=1000'],
    [['weight'], 'EINVAL', 'weight: expected KEY=VALUE such as iops=1000'],
    [['weight=80', 'weight=90'], 'EINVAL', 'weight=90: weight is given twice'],
    [['weight=0'], 'ERANGE', 'weight 0: not from 1 to 10000'],
    [['iops=1', 'iops=2'], 'EINVAL', 'iops=2: iops is given twice'],
    [['cost=ios'], 'EINVAL', 'cost: only the root group, /, has it'],
    [['latency=soon'], 'EINVAL', 'target "soon": expected a number from 1 to 60000000'],
    [['member='], 'EINVAL', 'no member given; write for instance uid:1000'],
  ];
  for (const [words, errno, message] of cases) {
    const error = t.throws(() => parseSettings(words, false), { instanceOf: SluiceError });
    t.is(error?.message, message);
    t.is(error?.errno, errno);
  }
});

test('an unknown key is told with those that there are, for this group', (t) => {
  const message = (isRoot: boolean) =>
    t.throws(() => parseSettings(['speed=1'], isRoot), { instanceOf: SluiceError })?.message;
  const keys =
    'rbps, wbps, bps, riops, wiops, iops, iops_size, burst.rbps, burst.wbps, burst.bps, ' +
    'burst.riops, burst.wiops, burst.iops, weight, min.bps, min.iops, latency, member';
  t.is(message(false), `speed=1: no key "speed"; keys: ${keys}`);
  t.is(message(true), `speed=1: no key "speed"; keys: ${keys}, depth, cost`);
});
