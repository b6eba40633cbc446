import test from 'ava';
import {
  formatChanges,
  formatFile,
  formatWords,
  parseFile,
  parseWords,
  readPairs,
  readSettings,
} from '../../src/control/text.js';
import { SluiceError } from '../../src/util/errors.js';

/** The text that `sluice set` writes for these words. */
const texts = (words: string[], isRoot: boolean) => formatChanges(parseWords(words, isRoot));

test('words of one file become one text, and files come in the order in which they need each other', (t) => {
  t.deepEqual(texts(['burst.bps=4M/5', 'weight=80', 'wbps=max', 'bps=1M'], false), [
    { file: 'io.max', text: 'wbps=max bps=1048576' },
    { file: 'io.burst', text: 'bps=4194304/5' },
    { file: 'io.weight', text: '80' },
  ]);
  t.deepEqual(texts(['members=web', 'member=my disk'], false), [
    {
      file: 'members',
      text: String.raw`web
my\040disk`,
    },
  ]);
  t.deepEqual(texts(['cost=ios', 'latency=2ms', 'depth=auto', 'min.iops=0'], true), [
    { file: 'io.min', text: 'iops=0' },
    { file: 'io.latency', text: 'target=2000' },
    { file: 'io.depth', text: 'auto' },
    { file: 'io.cost', text: 'ios' },
  ]);
});

test('what is wrong is told before anything is written', (t) => {
  const cases: [string[], string, string][] = [
    [[], 'EINVAL', 'nothing to set; write for instance iops=1000'],
    [['weight'], 'EINVAL', 'weight: expected KEY=VALUE such as iops=1000'],
    [['weight=80', 'weight=90'], 'EINVAL', 'weight=90: weight is given twice'],
    [['weight=0'], 'ERANGE', 'weight=0: not from 1 to 10000'],
    [['iops=1', 'iops=2'], 'EINVAL', 'iops=2: iops is given twice'],
    [['cost=ios'], 'EINVAL', 'cost: only the root group, /, has it'],
    [
      ['latency=soon'],
      'EINVAL',
      'latency=soon: expected a whole number of microseconds, or one with us, ms or s such as 1500us or 2ms, or max',
    ],
    [['member='], 'EINVAL', 'no member given; write for instance uid:1000'],
  ];
  for (const [words, errno, message] of cases) {
    const error = t.throws(() => parseWords(words, false), { instanceOf: SluiceError });
    t.is(error?.message, message);
    t.is(error?.errno, errno);
  }
});

test('an unknown key is told with those that there are, for this group', (t) => {
  const message = (isRoot: boolean) =>
    t.throws(() => parseWords(['speed=1'], isRoot), { instanceOf: SluiceError })?.message;
  const keys =
    'rbps, wbps, bps, riops, wiops, iops, iops_size, per_gb.rbps, per_gb.wbps, ' +
    'per_gb.bps, per_gb.riops, per_gb.wiops, per_gb.iops, burst.rbps, burst.wbps, burst.bps, ' +
    'burst.riops, burst.wiops, burst.iops, weight, min.bps, min.iops, latency, member';
  t.is(message(false), `speed=1: no key "speed"; keys: ${keys}`);
  t.is(message(true), `speed=1: no key "speed"; keys: ${keys}, depth, cost`);
});

test('an error quotes the word as it was written', (t) => {
  const error = t.throws(() => parseWords(['burst.bps=4M'], false), { instanceOf: SluiceError });
  t.regex(error?.message ?? '', /^burst\.bps=4M: expected RATE\/SECONDS /);
});

test('settings are read back from the texts of their files', (t) => {
  const files = {
    'io.max': 'rbps=max wbps=max bps=7 riops=max wiops=max iops=max iops_size=4096',
    'io.burst': 'rbps=max wbps=max bps=9/2.5 riops=max wiops=max iops=max',
    'io.weight': 'default 80',
    'io.min': 'bps=0 iops=5',
    'io.latency': 'target=2000',
  };
  const settings = readSettings(files);
  for (const [file, text] of Object.entries(files)) {
    t.is(formatFile(file, settings), text.replace('default ', ''), file);
    t.deepEqual(parseFile(file, text), parseFile(file, formatFile(file, settings)), file);
  }
  t.deepEqual(formatWords(settings), [
    'bps=7',
    'iops_size=4096',
    'burst.bps=9/2.5',
    'weight=80',
    'min.iops=5',
    'latency=2000',
  ]);
});

test('what another version writes is as in a new group', (t) => {
  const settings = readSettings({ 'io.max': 'bps=soon new=3', 'io.weight': 'relative 3' });
  t.deepEqual(settings, readSettings({}));
  t.deepEqual(formatWords(settings), []);
});

test('a text that a daemon wrote is read as far as it is pairs', (t) => {
  t.deepEqual(
    [...readPairs('some avg10=0.50 total=7 x=')],
    [
      ['avg10', '0.50'],
      ['total', '7'],
      ['x', ''],
    ],
  );
});
