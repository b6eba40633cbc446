import test from 'ava';
import { p99Until, parseLatencyLog, steadyRate } from '../../../tools/lib/fio-log.js';

test('the steady rate counts the requests after the first over the time since it', (t) => {
  // Four requests of 1 MiB, one a second, the first at once: 4 in 3 s, but 1 a second.
  const log = '2, 500, 0, 1048576, 0, 0\n1002, 1, 0, 1048576, 0, 0\n2002, 1, 0, 1048576, 0, 0\n';
  const completions = parseLatencyLog(`${log}3002, 1, 0, 1048576, 4096, 0\n`);
  t.deepEqual([...completions.timesMs], [2, 1002, 2002, 3002]);
  t.deepEqual(steadyRate(completions), { iops: 1, bytesPerSecond: 1048576 });
});

test('there is no steady rate without a gap between completions', (t) => {
  t.is(steadyRate(parseLatencyLog('')), null);
  t.is(steadyRate(parseLatencyLog('7, 1, 0, 4096, 0, 0\n')), null);
  t.is(steadyRate(parseLatencyLog('7, 1, 0, 4096, 0, 0\n7, 1, 0, 4096, 0, 0\n')), null);
});

test('the p99 is of what was completed in time, by the nearest rank', (t) => {
  const line = (ms: number, us: number) => `${ms}, ${us * 1000}, 0, 4096, 0, 0\n`;
  let log = '';
  for (let i = 1; i <= 200; i++) log += line(i, 1000 - i);
  const completions = parseLatencyLog(`${log}${line(201, 50_000)}`);
  t.is(p99Until(completions, 200), 997);
  t.is(p99Until(completions, 201), 998);
  t.is(p99Until(completions, 0), Number.NaN);
});
