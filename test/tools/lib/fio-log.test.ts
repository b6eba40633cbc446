import test from 'ava';
import { parseBandwidthLog, steadyRate } from '../../../tools/lib/fio-log.js';

test('the steady rate counts the requests after the first over the time since it', (t) => {
  // Four requests of 1 MiB, one a second, the first at once: 4 in 3 s, but 1 a second.
  const log = '2, 500, 0, 1048576, 0, 0\n1002, 1, 0, 1048576, 0, 0\n2002, 1, 0, 1048576, 0, 0\n';
  const completions = parseBandwidthLog(`${log}3002, 1, 0, 1048576, 4096, 0\n`);
  t.deepEqual([...completions.timesMs], [2, 1002, 2002, 3002]);
  t.deepEqual(steadyRate(completions), { iops: 1, bytesPerSecond: 1048576 });
});

test('there is no steady rate without a gap between completions', (t) => {
  t.is(steadyRate(parseBandwidthLog('')), null);
  t.is(steadyRate(parseBandwidthLog('7, 1, 0, 4096, 0, 0\n')), null);
  t.is(steadyRate(parseBandwidthLog('7, 1, 0, 4096, 0, 0\n7, 1, 0, 4096, 0, 0\n')), null);
});
