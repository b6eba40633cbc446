import test from 'ava';
import { NO_LIMITS } from '../../src/throttle/limits.js';
import { formatLimits, parseLimits } from '../../src/throttle/parse-limits.js';
import { SluiceError } from '../../src/util/errors.js';

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
  test(`"${text}" is refused with ${errno}`, (t) => {
    const error = t.throws(() => parseLimits(text), { instanceOf: SluiceError });
    t.deepEqual([error.message, error.errno, error.exitCode], [message, errno, 2]);
  });
}

test('10^15 itself is the largest limit', (t) => {
  t.deepEqual(parseLimits('iops=1000T'), { iops: 1e15 });
});

test('the line of io.max has plain numbers and max', (t) => {
  t.is(
    formatLimits(NO_LIMITS),
    'rbps=max wbps=max bps=max riops=max wiops=max iops=max iops_size=max',
  );
  t.is(
    formatLimits({ ...NO_LIMITS, rbps: 10485760, iops: 1000, iopsSize: 4096 }),
    'rbps=10485760 wbps=max bps=max riops=max wiops=max iops=1000 iops_size=4096',
  );
});
