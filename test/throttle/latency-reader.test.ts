import { Worker } from 'node:worker_threads';
import test from 'ava';
import { Latencies } from '../../src/throttle/latencies.js';
import { pageViews } from '../../src/throttle/latency-memory.js';
import { LatencyReader, SpanSum } from '../../src/throttle/latency-reader.js';

test('mean, percentiles and maximum of both stages', (t) => {
  const latencies = new Latencies();
  const series = latencies.make(0);
  // 90 requests that did not wait, ten that waited for 10 to 100 ms.
  for (let i = 1; i <= 100; i++) {
    const waitUs = i <= 90 ? 0 : (i - 90) * 10_000;
    latencies.add(series, 4096, waitUs * 1000, 200_000 + i, 0);
  }
  const sum = new SpanSum();
  new LatencyReader(latencies.pages).add(series, 'second', 1, sum);
  t.deepEqual(sum.times(), {
    requests: 100,
    bytes: 409_600,
    // Buckets of 8192 us: 81,920 to 90,111 has 90,000, and 98,304 to 106,495 has 100,000.
    wait: { mean: 5500, p50: 0, p90: 0, p99: 90_111, p999: 100_000, max: 100_000 },
    // All in the bucket 192 to 207 us.
    service: { mean: 200, p50: 200, p90: 200, p99: 200, p999: 200, max: 200 },
  });
  t.deepEqual(new SpanSum().times().wait, { mean: 0, p50: 0, p90: 0, p99: 0, p999: 0, max: 0 });
});

test('totals do not go back while another thread counts and ends seconds', async (t) => {
  const program = `
    const { parentPort, workerData } = require('node:worker_threads');
    void import(workerData.latencies).then(({ Latencies }) => {
      const latencies = new Latencies((page) => parentPort.postMessage({ page }));
      const series = latencies.make(0);
      parentPort.postMessage({ series });
      for (let second = 0; ; second++) {
        for (let i = 0; i < 500; i++) latencies.add(series, 1, 0, 5000, second * 1e9);
      }
    });`;
  const latencies = new URL('../../src/throttle/latencies.js', import.meta.url).href;
  const worker = new Worker(program, { eval: true, workerData: { latencies } });
  // It counts for ever; also after a failure.
  t.teardown(() => worker.terminate());
  const reader = new LatencyReader();
  const series = await new Promise<number>((resolve) => {
    worker.on('message', (news: { page?: SharedArrayBuffer; series?: number }) => {
      if (news.page !== undefined) reader.take(pageViews(news.page));
      if (news.series !== undefined) resolve(news.series);
    });
  });
  let last = 0;
  for (let reads = 0; reads < 5000 || last === 0; reads++) {
    const sum = new SpanSum();
    reader.add(series, 'mount', 0, sum);
    t.true(sum.requests >= last, `${sum.requests} after ${last}`);
    last = sum.requests;
  }
});
