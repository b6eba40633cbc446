import test from 'ava';
import { DepthLadder } from '../../src/throttle/depth-ladder.js';

const depthsOf = (ladder: DepthLadder): number[] =>
  Array.from({ length: ladder.last + 1 }, (_, level) => ladder.depthAt(level));

test('one by one to 16, then by eighths, and the largest window last', (t) => {
  t.deepEqual(
    depthsOf(new DepthLadder(40)),
    [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 18, 20, 22, 24, 26, 28, 30, 32, 36, 40],
  );
  t.deepEqual(depthsOf(new DepthLadder(3)), [1, 2, 3]);
  t.deepEqual(depthsOf(new DepthLadder(1)), [1]);
  t.is(depthsOf(new DepthLadder(4096)).length, 80);
});

test('the level of a window is the lowest that is as large, the last one at most', (t) => {
  const ladder = new DepthLadder(40);
  t.deepEqual(
    [0, 1, 16, 17, 39, 40, 1000].map((depth) => ladder.levelFor(depth)),
    [0, 0, 15, 16, 25, 25, 25],
  );
});
