import test from 'ava';
import { parseThreads } from '../../../tools/bench-fair/threads.js';

const side = (iops: number, ios: number, p99: number) => ({
  iops,
  total_ios: ios,
  clat_ns: { percentile: { '99.000000': p99 } },
});
const NONE = { iops: 0, total_ios: 0, clat_ns: {} };

test('reads and writes count together; the latency is that of reads where there are any', (t) => {
  const job = { error: 0, read: side(100, 10, 5000), write: side(50, 5, 9000) };
  t.deepEqual(parseThreads(JSON.stringify({ jobs: [job] })), { iops: 150, p99Us: 5 });
  const write = { error: 0, read: NONE, write: side(50, 5, 9000) };
  t.deepEqual(parseThreads(JSON.stringify({ jobs: [write] })), { iops: 50, p99Us: 9 });
});

test('warnings before the JSON are passed over', (t) => {
  const job = { error: 0, read: side(1, 1, 1000), write: NONE };
  t.is(parseThreads(`note: both iodepth >= 1\n${JSON.stringify({ jobs: [job] })}`).iops, 1);
});

test('no result, and a failed request, are errors', (t) => {
  t.throws(() => parseThreads('fio: no such file'), { message: /no result: fio: no such file/ });
  t.throws(() => parseThreads(JSON.stringify({ jobs: [{ error: 5, read: NONE, write: NONE }] })), {
    message: /errno 5/,
  });
});
