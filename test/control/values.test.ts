import test, { type ExecutionContext } from 'ava';
import { formatFile, parseFile } from '../../src/control/text.js';
import { NO_LIMITS } from '../../src/throttle/limits.js';
import { SluiceError } from '../../src/util/errors.js';

const parseLimits = (text: string) => parseFile('io.max', text).limits;
const parseBursts = (text: string) => parseFile('io.burst', text).bursts;
const parseWeight = (text: string) => parseFile('io.weight', text).weight;
const parseMinimum = (text: string) => parseFile('io.min', text).minimum;
const parseLatency = (text: string) => parseFile('io.latency', text).latencyTarget;
const parseDepth = (text: string) => parseFile('io.depth', text).depth;
const parseCost = (text: string) => parseFile('io.cost', text).cost;

/** Checks that a parser refuses texts, each with an errno. */
function refuses(t: ExecutionContext, parse: (text: string) => unknown, texts: [string, string][]) {
  for (const [text, errno] of texts) {
    const error = t.throws(() => parse(text), { instanceOf: SluiceError }, JSON.stringify(text));
    t.is(error?.errno, errno, JSON.stringify(text));
    t.is(error?.exitCode, 2);
    t.false(error?.message.includes('\n'));
  }
}

test('io.weight takes a number from 1 to 10000, with or without `default`', (t) => {
  t.is(parseWeight('1'), 1);
  t.is(parseWeight('10000'), 10_000);
  t.is(parseWeight('default 80'), 80);
  t.is(parseWeight(' 80 '), 80);
  refuses(t, parseWeight, [
    ['', 'EINVAL'],
    ['default', 'EINVAL'],
    ['-1', 'EINVAL'],
    ['+1', 'EINVAL'],
    ['1.5', 'EINVAL'],
    ['1e3', 'EINVAL'],
    ['0x10', 'EINVAL'],
    ['80 90', 'EINVAL'],
    ['weight=80', 'EINVAL'],
    ['max', 'EINVAL'],
    ['0', 'ERANGE'],
    ['10001', 'ERANGE'],
    ['99999999999999999999999', 'ERANGE'],
  ]);
});

test('io.burst takes RATE/SECONDS for any of the rates, and max for none', (t) => {
  t.deepEqual(parseBursts('bps=400M/10'), { bps: { rate: 419_430_400, seconds: 10 } });
  t.deepEqual(parseBursts('iops=4k/0.5\nwbps=max'), {
    iops: { rate: 4000, seconds: 0.5 },
    wbps: null,
  });
  refuses(t, parseBursts, [
    ['', 'EINVAL'],
    ['bps', 'EINVAL'],
    ['bps=400M', 'EINVAL'],
    ['bps=/10', 'EINVAL'],
    ['bps=400M/', 'EINVAL'],
    ['bps=400M/-1', 'EINVAL'],
    ['bps=-400M/1', 'EINVAL'],
    ['bps=400M/1e3', 'EINVAL'],
    ['bps=400M/10/10', 'EINVAL'],
    ['bps=max/10', 'EINVAL'],
    ['bps=0/10', 'EINVAL'],
    ['bps=400M/0', 'EINVAL'],
    ['bps=1M/1 bps=2M/1', 'EINVAL'],
    ['iops_size=4K/1', 'EINVAL'],
    ['speed=1/1', 'EINVAL'],
    ['bps=400M/3601', 'ERANGE'],
    ['iops=2000T/1', 'ERANGE'],
    ['bps=99999999999999999999/1', 'ERANGE'],
  ]);
});

test('io.min takes bps and iops from 0', (t) => {
  t.deepEqual(parseMinimum('bps=10M iops=500'), { bps: 10_485_760, iops: 500 });
  t.deepEqual(parseMinimum('iops=0'), { iops: 0 });
  refuses(t, parseMinimum, [
    ['', 'EINVAL'],
    ['bps', 'EINVAL'],
    ['bps=', 'EINVAL'],
    ['bps=-1', 'EINVAL'],
    ['bps=max', 'EINVAL'],
    ['rbps=1', 'EINVAL'],
    ['bps=1 bps=1', 'EINVAL'],
    ['iops=2000T', 'ERANGE'],
    ['bps=99999999999999999999', 'ERANGE'],
  ]);
});

test('io.latency takes a target in microseconds, or max', (t) => {
  t.is(parseLatency('target=2000'), 2_000_000);
  t.is(parseLatency('target=500us'), 500_000);
  t.is(parseLatency('target=2ms'), 2_000_000);
  t.is(parseLatency('target=1s'), 1_000_000_000);
  t.is(parseLatency('target=max'), Number.POSITIVE_INFINITY);
  refuses(t, parseLatency, [
    ['', 'EINVAL'],
    ['2000', 'EINVAL'],
    ['target=', 'EINVAL'],
    ['target=-1', 'EINVAL'],
    ['target=2m', 'EINVAL'],
    ['target=61s', 'ERANGE'],
    ['target=2000 target=1', 'EINVAL'],
    ['target=0', 'ERANGE'],
    ['target=60000001', 'ERANGE'],
  ]);
});

test('a refused value is told what is taken, its units too', (t) => {
  for (const [parse, text, expected] of [
    [parseDepth, 'abc', '"abc": expected auto, or a number from 1 to 4096'],
    [
      parseLatency,
      'target=1.5ms',
      'target=1.5ms: expected a whole number of microseconds, or one with us, ms or s such as 1500us or 2ms, or max',
    ],
  ] as const) {
    t.is(t.throws(() => parse(text))?.message, expected);
  }
});

test('io.depth takes auto or 1 to 4096, io.cost one of three words', (t) => {
  t.is(parseDepth('auto'), 'auto');
  t.is(parseDepth('1'), 1);
  t.is(parseDepth('4096'), 4096);
  refuses(t, parseDepth, [
    ['', 'EINVAL'],
    ['auto 24', 'EINVAL'],
    ['-1', 'EINVAL'],
    ['Auto', 'EINVAL'],
    ['0', 'ERANGE'],
    ['4097', 'ERANGE'],
  ]);
  for (const model of ['ios', 'bytes', 'linear'] as const) t.is(parseCost(model), model);
  refuses(t, parseCost, [
    ['', 'EINVAL'],
    ['io', 'EINVAL'],
    ['ios bytes', 'EINVAL'],
  ]);
});

test('bytes take powers of 1024, requests powers of 1000, with commas or spaces between', (t) => {
  const expected = { rbps: 10485760, iops: 1000, riops: 10000, iopsSize: 4096 };
  t.deepEqual(parseLimits('rbps=10M,iops=1000,riops=10K,iops_size=4K'), expected);
  t.deepEqual(parseLimits(' rbps=10MiB iops=1k\triops=10000, iops_size=4096\n'), expected);
});

test('max means no limit, for every key', (t) => {
  t.deepEqual(
    parseLimits('rbps=max wbps=max bps=max riops=max wiops=max iops=max iops_size=max'),
    NO_LIMITS,
  );
});

test('only the keys that are given are in the result', (t) => {
  t.deepEqual(parseLimits('wbps=1T'), { wbps: 1099511627776 });
});

const COUNT = 'a number of requests per second such as 1000 or 10K, or max';
const BYTES = 'a number of bytes per second such as 512K or 10M, or max';
const KEYS = 'rbps, wbps, bps, riops, wiops, iops, iops_size';

for (const [text, errno, message] of [
  ['iops=ten', 'EINVAL', `iops=ten: expected ${COUNT}`],
  ['iops=-1', 'EINVAL', `iops=-1: expected ${COUNT}`],
  ['iops=0', 'EINVAL', `iops=0: expected ${COUNT}`],
  ['iops=', 'EINVAL', `iops=: expected ${COUNT}`],
  ['iops=1e3', 'EINVAL', `iops=1e3: expected ${COUNT}`],
  ['iops=Infinity', 'EINVAL', `iops=Infinity: expected ${COUNT}`],
  ['bps=10X', 'EINVAL', `bps=10X: expected ${BYTES}`],
  ['iops=5,wbps=0', 'EINVAL', `wbps=0: expected ${BYTES}`],
  ['iops_size=0', 'EINVAL', 'iops_size=0: expected a number of bytes such as 4K or 1M, or max'],
  ['iops', 'EINVAL', 'iops: expected KEY=VALUE such as iops=1000'],
  ['', 'EINVAL', 'no limits given; write for instance iops=1000'],
  [' , ', 'EINVAL', 'no limits given; write for instance iops=1000'],
  ['iops=1 iops=2', 'EINVAL', 'iops=2: iops is given twice'],
  ['opsi=1', 'EINVAL', `opsi=1: there is no limit "opsi"; the limits are ${KEYS}`],
  ['iopsSize=1', 'EINVAL', `iopsSize=1: there is no limit "iopsSize"; the limits are ${KEYS}`],
  ['iops=1001T', 'ERANGE', 'iops=1001T: above the largest limit, 10^15; use max for no limit'],
  ['bps=1P', 'ERANGE', 'bps=1P: above the largest limit, 10^15; use max for no limit'],
  ['bps=99999P', 'ERANGE', 'bps=99999P: above the largest limit, 10^15; use max for no limit'],
] as const) {
  test(`"${text}" in io.max is refused with ${errno}`, (t) => {
    const error = t.throws(() => parseLimits(text), { instanceOf: SluiceError });
    t.deepEqual([error.message, error.errno, error.exitCode], [message, errno, 2]);
  });
}

test('10^15 itself is the largest limit', (t) => {
  t.deepEqual(parseLimits('iops=1000T'), { iops: 1e15 });
});

test('the line of io.max has plain numbers and max', (t) => {
  t.is(
    formatFile('io.max', { limits: NO_LIMITS }),
    'rbps=max wbps=max bps=max riops=max wiops=max iops=max iops_size=max',
  );
  t.is(
    formatFile('io.max', {
      limits: { ...NO_LIMITS, rbps: 10485760, iops: 1000, iopsSize: 4096 },
    }),
    'rbps=10485760 wbps=max bps=max riops=max wiops=max iops=1000 iops_size=4096',
  );
});
