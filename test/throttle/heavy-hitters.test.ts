import test from 'ava';
import { HeavyHitters } from '../../src/throttle/heavy-hitters.js';
import fc from '../helpers/random-sequences.js';

/** Rounding of sums of some thousand numbers. */
const EPSILON = 1e-6;

/** A sketch beside a model that keeps every key. */
class Pair {
  readonly sketch: HeavyHitters;
  readonly real = new Map<number, number>();
  /** By place: key, and what it has weighed since it has the place. */
  readonly followed = new Map<number, { key: number; weight: number }>();
  total = 0;

  readonly places: number;

  constructor(places: number) {
    this.places = places;
    this.sketch = new HeavyHitters(places);
  }

  add(key: number, weight: number): void {
    const place = this.sketch.add(key, weight);
    const before = this.followed.get(place);
    if (this.sketch.isNew) this.followed.set(place, { key, weight });
    else if (before?.key !== key) throw new Error(`${key} has the place of ${before?.key}`);
    else before.weight += weight;
    this.real.set(key, (this.real.get(key) ?? 0) + weight);
    this.total += weight;
  }

  fade(times: number): void {
    this.sketch.fade(times);
    const factor = 2 ** -times;
    for (const [key, weight] of this.real) this.real.set(key, weight * factor);
    for (const one of this.followed.values()) one.weight *= factor;
    this.total *= factor;
  }

  /** What the sketch promises; '' if all is so. */
  fault(): string {
    const { sketch, real, followed, total, places } = this;
    const slack = EPSILON * (1 + total);
    const share = total / places + slack;
    if (Math.abs(sketch.total - total) > slack) return `total ${sketch.total}, not ${total}`;
    const sum = sketch.weights.reduce((all, one) => all + one, 0);
    if (Math.abs(sum - total) > slack) return `the weights add up to ${sum}, not ${total}`;
    const keys = new Set([...followed.values()].map(({ key }) => key));
    if (keys.size !== followed.size) return 'a key has two places';
    for (const [key, weight] of real) {
      if (weight > share && !keys.has(key)) return `${key} of ${weight} is missing`;
    }
    for (const [place, { key, weight }] of followed) {
      const [upper, inherited] = [sketch.weights[place]!, sketch.inherited[place]!];
      const own = upper - inherited;
      if (Math.abs(own - weight) > slack) return `${key}: ${own} of its own, not ${weight}`;
      if (real.get(key)! > upper + slack) return `${key}: ${real.get(key)} is above ${upper}`;
      if (inherited > share) return `${key}: ${inherited} inherited`;
    }
    return '';
  }
}

test('few keys have their exact weights', (t) => {
  const sketch = new HeavyHitters(3);
  t.is(sketch.add(7, 10), 0);
  t.true(sketch.isNew);
  t.is(sketch.add(7, 5), 0);
  t.false(sketch.isNew);
  t.is(sketch.add(4294967295, 1), 1);
  t.true(sketch.isNew);
  t.is(sketch.add(0, 2), 2);
  t.deepEqual([...sketch.weights], [15, 1, 2]);
  t.deepEqual([...sketch.inherited], [0, 0, 0]);
  t.is(sketch.total, 18);
});

test('a further key takes the place of the lightest, with its weight', (t) => {
  const sketch = new HeavyHitters(3);
  sketch.add(1, 10);
  sketch.add(2, 4);
  sketch.add(3, 6);
  t.is(sketch.add(4, 3), 1);
  t.true(sketch.isNew);
  t.deepEqual([...sketch.weights], [10, 7, 6]);
  t.deepEqual([...sketch.inherited], [0, 4, 0]);
  // Key 2 is new again, and 3 is the lightest now.
  t.is(sketch.add(2, 1), 2);
  t.true(sketch.isNew);
  t.deepEqual([...sketch.weights], [10, 7, 7]);
});

test('everything fades alike', (t) => {
  const sketch = new HeavyHitters(2);
  sketch.add(1, 16);
  sketch.add(2, 8);
  sketch.add(3, 8);
  sketch.fade(2);
  t.deepEqual([...sketch.weights], [4, 4]);
  t.deepEqual([...sketch.inherited], [0, 2]);
  t.is(sketch.total, 8);
  // After a long time nothing is left, and nobody is in the way.
  sketch.fade(5000);
  t.deepEqual([...sketch.weights], [0, 0]);
  t.is(sketch.add(9, 1), sketch.add(9, 1));
  t.is(sketch.total, 2);
});

const STEP = fc.oneof(
  {
    weight: 40,
    arbitrary: fc.record({ key: fc.nat(40), weight: fc.integer({ min: 1, max: 48 }) }),
  },
  // Multiples of a power of two fall on few places of the table.
  {
    weight: 10,
    arbitrary: fc.record({ key: fc.nat(15).map((n) => n * 2 ** 28), weight: fc.constant(1) }),
  },
  { weight: 1, arbitrary: fc.record({ fade: fc.integer({ min: 1, max: 4 }) }) },
);

test('all bounds hold for any stream', (t) => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 12 }),
      fc.array(STEP, { maxLength: 300 }),
      (places, steps) => {
        const pair = new Pair(places);
        for (const step of steps) {
          if ('fade' in step) pair.fade(step.fade);
          else pair.add(step.key, step.weight);
          const fault = pair.fault();
          if (fault !== '') throw new Error(fault);
        }
      },
    ),
    { seed: 20261129, numRuns: 200 },
  );
  t.pass();
});

test('of a million keys the heavy ones are found, in the memory of 512', (t) => {
  const pair = new Pair(512);
  const heavy = Array.from({ length: 20 }, (_, index) => 4_000_000 + index);
  // Twenty keys make a fifth of the requests, a hundredth each, and every other request has a key of its own.
  for (let request = 0; request < 1_250_000; request++) {
    if (request % 5 === 0) pair.add(heavy[(request / 5) % heavy.length]!, 1);
    else pair.add(request, 1);
  }
  t.is(pair.real.size, 1_000_020);
  t.is(pair.fault(), '');
  const found = [...pair.followed.values()].sort((one, other) => other.weight - one.weight);
  const heaviest = found.slice(0, 20).map(({ key }) => key);
  t.deepEqual(heaviest.sort(), heavy);
  t.is(pair.followed.size, 512);
  t.is(pair.sketch.weights.length, 512);
});
