import assert from 'node:assert/strict';
import test from 'ava';
import { Latencies } from '../../src/throttle/latencies.js';
import { BUCKETS, bucketOf } from '../../src/throttle/latency-buckets.js';
import { LatencyReader, SPANS, type Span, SpanSum } from '../../src/throttle/latency-reader.js';
import fc from '../helpers/random-sequences.js';

/** In ns. */
const MS = 1e6;

/** A request that has completed; times in microseconds, `at` in milliseconds. */
interface Completed {
  at: number;
  bytes: number;
  wait: number;
  service: number;
}

/** Requests that belong to a span of time, by its definition. */
function inSpan(span: Span, all: readonly Completed[], now: number): Completed[] {
  const [second, ten] = [Math.floor(now / 1000), Math.floor(now / 10_000)];
  if (span === 'second') return all.filter(({ at }) => Math.floor(at / 1000) === second - 1);
  if (span === 'minute') return all.filter(({ at }) => Math.floor(at / 10_000) > ten - 6);
  return [...all];
}

/** A sum as one short text. */
function textOf(sum: SpanSum): string {
  const texts = sum.stages.map(({ us, maxUs }, stage) => {
    const used = [...sum.countsOf(stage).entries()].filter(([, count]) => count !== 0);
    return `${us} us, at most ${maxUs}: ${used.map(([at, count]) => `${at}x${count}`).join(' ')}`;
  });
  return `${sum.bytes} bytes; ${texts.join('; ')}`;
}

function sumOf(all: readonly Completed[]): SpanSum {
  const sum = new SpanSum();
  for (const one of all) {
    sum.bytes += one.bytes;
    for (const [stage, us] of [one.wait, one.service].entries()) {
      const into = sum.stages[stage]!;
      into.us += us;
      into.maxUs = Math.max(into.maxUs, us);
      into.counts[bucketOf(us)]++;
    }
  }
  return sum;
}

const OWNERS = 3;
const STEP = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('add' as const),
      owner: fc.nat(OWNERS - 1),
      us: fc.nat(3_000_000),
      wait: fc.constantFrom(0, 7, 90_000),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('later' as const),
      ms: fc.constantFrom(300, 1000, 2000, 9000, 10_000, 25_000, 59_000, 60_000, 200_000),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('merge' as const),
      to: fc.nat(OWNERS - 1),
      from: fc.nat(OWNERS - 1),
    }),
  },
);

test('spans have the requests that completed in them, also of merged series', (t) => {
  fc.assert(
    fc.property(fc.array(STEP, { maxLength: 80 }), (steps) => {
      const latencies = new Latencies();
      const reader = new LatencyReader(latencies.pages);
      const series = Array(OWNERS).fill(0);
      const model: Completed[][] = Array.from({ length: OWNERS }, () => []);
      let now = 0;
      for (const step of steps) {
        if (step.kind === 'later') now += step.ms;
        else if (step.kind === 'add') {
          const { owner, us, wait } = step;
          series[owner] ||= latencies.make(now * MS);
          latencies.add(series[owner], 512, wait * 1000, us * 1000, now * MS);
          model[owner]!.push({ at: now, bytes: 512, wait, service: us });
        } else if (step.to !== step.from) {
          series[step.to] = latencies.merge(series[step.to], series[step.from]);
          series[step.from] = 0;
          model[step.to]!.push(...model[step.from]!.splice(0));
        }
        for (const span of SPANS) {
          for (let owner = 0; owner < OWNERS; owner++) {
            const found = new SpanSum();
            reader.add(series[owner], span, Math.floor(now / 1000), found);
            const expected = textOf(sumOf(inSpan(span, model[owner]!, now)));
            assert.equal(textOf(found), expected, `${span} at ${now} ms`);
          }
        }
      }
    }),
    { numRuns: 100 },
  );
  t.pass();
});

test('a series takes memory for the times that it has seen; what it gave back is used again', (t) => {
  const pages: SharedArrayBuffer[] = [];
  const latencies = new Latencies((page) => pages.push(page));
  const units = 1024;
  // A head, and a block for 100 to 200 us; nothing for no wait.
  const each = 2;
  const fill = (): number[] =>
    Array.from({ length: Math.floor((units - 1) / each) }, (_, index) => {
      const one = latencies.make(0);
      for (let us = 100; us < 200; us++) latencies.add(one, 0, 0, us * 1000, index);
      return one;
    });
  const all = fill();
  t.is(pages.length, 1);
  t.is(pages[0]!.byteLength, units * 640);
  t.is(
    all.reduce((sum, one) => latencies.merge(sum, one), 0),
    all[0],
  );
  fill();
  t.is(pages.length, 2);
});

test('a time that is longer than the longest counts as that', (t) => {
  const latencies = new Latencies();
  const series = latencies.make(0);
  latencies.add(series, 0, 1e15, 1e15, 0);
  const sum = new SpanSum();
  new LatencyReader(latencies.pages).add(series, 'mount', 0, sum);
  t.is(sum.stages[0]!.counts[BUCKETS - 1], 1);
  t.is(sum.stages[1]!.maxUs, 2 ** 31 - 1);
});
