import test from 'ava';
import {
  ENOUGH,
  ThroughputComparison,
  TOO_LITTLE,
  UNDECIDED,
} from '../../src/throttle/throughput-comparison.js';

/** The verdict, and the number of measurements, if the two windows give these rates alternately. */
function compare(limit: number, rates: (pair: number) => [number, number], completions = 1e4) {
  const comparison = new ThroughputComparison();
  comparison.begin(9, 5, limit, 0);
  for (let taken = 0; ; taken++) {
    const [base, candidate] = rates(taken >> 1);
    const isBase = taken % 2 === 0;
    if (comparison.level !== (isBase ? 9 : 5)) throw new Error('not in turn');
    const verdict = comparison.measured(isBase ? base : candidate, completions, taken * 1e6);
    if (verdict !== UNDECIDED) return { verdict, taken: taken + 1 };
  }
}

test('what is clear is decided after one pair', (t) => {
  t.deepEqual(
    compare(0.97, () => [100, 60]),
    { verdict: TOO_LITTLE, taken: 2 },
  );
  t.deepEqual(
    compare(0.75, () => [100, 95]),
    { verdict: ENOUGH, taken: 2 },
  );
});

test('what is the same, or 6 % less, is decided within six measurements', (t) => {
  t.deepEqual(
    compare(0.97, () => [100, 100]),
    { verdict: ENOUGH, taken: 6 },
  );
  t.deepEqual(
    compare(0.97, () => [100, 91]),
    { verdict: TOO_LITTLE, taken: 4 },
  );
});

test('a throughput that changes for both windows alike does not matter', (t) => {
  const slower = (pair: number): [number, number] => [100 * 0.8 ** pair, 91 * 0.8 ** pair];
  t.is(compare(0.97, slower).verdict, TOO_LITTLE);
  const faster = (pair: number): [number, number] => [100 * 1.2 ** pair, 100 * 1.2 ** pair];
  t.is(compare(0.97, faster).verdict, ENOUGH);
});

test('pairs that contradict each other are measured to the end, and their mean decides', (t) => {
  const wild = (high: number, low: number) => (pair: number) =>
    [100, pair % 2 === 0 ? high : low] as [number, number];
  t.deepEqual(compare(0.97, wild(101, 89)), { verdict: TOO_LITTLE, taken: 16 });
  t.deepEqual(compare(0.97, wild(102, 93)), { verdict: ENOUGH, taken: 16 });
});

test('few completions are forgiven half of their error', (t) => {
  const just = (): [number, number] => [100, 96.8];
  t.is(compare(0.97, just, 1e6).verdict, TOO_LITTLE);
  t.is(compare(0.97, just, 100).verdict, ENOUGH);
});
