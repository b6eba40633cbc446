import test from 'ava';
import { DepthCeiling } from '../../src/throttle/depth-ceiling.js';

function ceilingAt(level: number, open: number): DepthCeiling {
  const ceiling = new DepthCeiling();
  ceiling.begin(open);
  ceiling.found(level);
  return ceiling;
}

test('without partial backlog it rises by 0.04 steps a measurement, up to what is in flight', (t) => {
  const ceiling = ceilingAt(20, 21);
  for (let i = 0; i < 12; i++) ceiling.follow(0, 20);
  t.is(ceiling.level, 20);
  ceiling.follow(0, 20);
  t.is(ceiling.level, 21);
  for (let i = 0; i < 100; i++) ceiling.follow(0, 21);
  t.is(ceiling.level, 21);
});

test('a smaller window without partial backlog says nothing about the ceiling', (t) => {
  const ceiling = ceilingAt(20, 40);
  for (let i = 0; i < 100; i++) ceiling.follow(0, 19);
  t.is(ceiling.level, 20);
});

test('with partial backlog it falls, by 0.48 steps at most', (t) => {
  const ceiling = ceilingAt(20, 40);
  // 1.2 % are 3 times as much as leaves a choice, 2 times too much: 0.08 steps.
  for (let i = 0; i < 6; i++) ceiling.follow(0.012, 10);
  t.is(ceiling.level, 20);
  ceiling.follow(0.012, 10);
  t.is(ceiling.level, 19);
  for (let i = 0; i < 10; i++) ceiling.follow(0.9, 10);
  // 20 - 0.56 - 4.8.
  t.is(ceiling.level, 15);
});

test('a floor above the ceiling lifts it and bounds it from below; another one is none', (t) => {
  const ceiling = ceilingAt(5, 40);
  ceiling.foundFloor(8);
  t.deepEqual([ceiling.level, ceiling.floor, ceiling.canFall], [8, 8, false]);
  for (let i = 0; i < 10; i++) ceiling.follow(0.9, 8);
  t.is(ceiling.level, 8);
  const free = ceilingAt(8, 40);
  free.foundFloor(8);
  t.deepEqual([free.level, free.floor, free.canFall], [8, 0, true]);
});

test('given up, it is what is in flight without a window, and follows nothing', (t) => {
  const ceiling = ceilingAt(5, 40);
  ceiling.giveUp();
  ceiling.follow(0.9, 40);
  t.deepEqual([ceiling.level, ceiling.isHopeless, ceiling.canFall], [40, true, false]);
  ceiling.begin(30);
  t.false(ceiling.isHopeless);
});

test('a larger window that leaves a choice is the ceiling, whatever was in flight before', (t) => {
  const ceiling = ceilingAt(20, 22);
  ceiling.raise(24);
  t.deepEqual([ceiling.level, ceiling.open], [24, 24]);
});
