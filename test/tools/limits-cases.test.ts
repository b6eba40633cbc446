import test from 'ava';
import { judgeLimit, LIMIT_CASES, type LimitCase } from '../../tools/limits-cases.js';

function limitCase(id: string): LimitCase {
  const found = LIMIT_CASES.find((one) => one.id === id);
  if (!found) throw new Error(`no case ${id}`);
  return found;
}

function done(ios: number, bytes: number, runtimeMs: number, p99Us: number) {
  return { ios, bytes, runtimeMs, p99Us };
}

test('the error is that of all requests over the whole time', (t) => {
  const one = limitCase('iops=1000/4K/randread');
  const judged = judgeLimit(one, done(10_060, 10_060 * 4096, 10_000, 40_000), null, 'total');
  t.is(judged.got, 1006);
  t.is(judged.errorPercent.toFixed(3), '0.600');
  t.false(judged.rateOk);
  t.is(judged.idealUs, 32_000);
  t.is(judged.p99OverIdeal, 1.25);
  t.true(judged.latencyOk);
});

test('under 100 requests one percent is allowed', (t) => {
  const one = limitCase('bps=1M/256K/randwrite');
  const judged = judgeLimit(one, done(40, 40 * 262_144, 10_080, 1_300_000), null, 'total');
  t.is(judged.errorPercent.toFixed(3), '-0.794');
  t.true(judged.rateOk);
  t.is(judged.idealUs, 1_000_000);
  t.false(judged.latencyOk);
});

test('the steady rate is judged when asked for, and its absence is no pass', (t) => {
  const one = limitCase('bps=1M/1024K/randread');
  const total = done(14, 14 * 1_048_576, 13_000, 4_000_000);
  const steady = { iops: 1, bytesPerSecond: 1_048_576 };
  t.false(judgeLimit(one, total, steady, 'total').rateOk);
  t.true(judgeLimit(one, total, steady, 'steady').rateOk);
  t.false(judgeLimit(one, total, null, 'steady').rateOk);
});
