import test from 'ava';
import { takeSharedWords } from '../../src/lease/words.js';

const URL = 'shared=valkey://h/gold';
const shared = (words: readonly string[], limits: Record<string, number>) =>
  takeSharedWords(words).finish(limits);

test('the words of sharing are taken out of those of a group', (t) => {
  const { rest, finish } = takeSharedWords([
    'iops=20k',
    URL,
    'safe=2k',
    'weight=80',
    'shared.weight=7',
  ]);
  t.deepEqual(rest, ['iops=20k', 'weight=80']);
  t.like(finish({ iops: 20_000 }), { safePart: 0.1, weight: 7, target: { key: 'sluice:{gold}' } });
});

test('without shared= nothing is shared', (t) => {
  t.is(shared(['iops=20k'], { iops: 20_000 }), null);
  t.throws(() => shared(['safe=2k'], { iops: 20_000 }), { message: 'safe: goes with shared=URL' });
});

test('safe is a rate of the first limit, or a part; without it an equal part', (t) => {
  t.is(shared([URL, 'safe=100M'], { bps: 400 << 20, wiops: 9 })?.safePart, 0.25);
  t.is(shared([URL, 'safe=5k'], { bps: 400 << 20, iops: 20_000 })?.safePart, 0.25);
  t.is(shared([URL, 'safe=12.5%'], { bps: 400 })?.safePart, 0.125);
  t.is(shared([URL], { bps: 400 })?.safePart, null);
  t.is(shared([URL], { bps: 400 })?.weight, 100);
});

for (const [words, why] of [
  [[URL, 'safe=30k'], /not above the limit, iops=20000/],
  [[URL, 'safe=0'], /above 0/],
  [[URL, 'safe=101%'], /not above the limit/],
  [[URL, 'safe=fast'], /expected a rate of iops, or a part such as 10%/],
  [[URL, 'shared.weight=0'], /from 1 to 10000/],
  [[URL, URL], /shared is given twice/],
] as const) {
  test(`${words.join(',')} is refused`, (t) => {
    t.throws(() => shared(words, { iops: 20_000 }), { message: why });
  });
}

test('a group without a limit has nothing to share', (t) => {
  t.throws(() => shared([URL], { iops: Infinity }), { message: /no limit to share/ });
});
