import test from 'ava';
import { BlockSet } from '../../src/host/block-set.js';
import { Dice } from '../helpers/nbd-model.js';

const BLOCKS = 70_000;

test('a set of blocks has what a set of numbers has', (t) => {
  const dice = new Dice(11);
  const set = new BlockSet(BLOCKS);
  const model = new Uint8Array(BLOCKS);
  const wrong: string[] = [];
  for (let round = 0; round < 3000; round++) {
    const first = dice.below(BLOCKS);
    const end = Math.min(BLOCKS, first + dice.below(dice.chance(5) ? BLOCKS : 40));
    const part = model.subarray(first, end);
    const had = part.reduce((sum, one) => sum + one, 0);
    if (set.hasAll(first, end) !== (had === part.length)) wrong.push(`all ${round}`);
    if (set.hasAny(first, end) !== had > 0) wrong.push(`any ${round}`);
    if (dice.chance(50)) {
      set.add(first, end);
      part.fill(1);
    } else {
      if (set.remove(first, end) !== had) wrong.push(`remove ${round}`);
      part.fill(0);
    }
    if (dice.chance(1)) {
      set.reset();
      model.fill(0);
    }
  }
  t.deepEqual(wrong, []);
  t.is(
    set.count,
    model.reduce((sum, one) => sum + one, 0),
  );
  set.release();
});

test('bits are taken over, the lowest one first', (t) => {
  const set = new BlockSet(100);
  set.load(1, Uint8Array.of(0b101, 0, 0xff));
  t.is(set.count, 10);
  const has = [7, 8, 9, 10, 16, 23, 24, 31, 32].map((block) => set.hasAny(block, block + 1));
  t.deepEqual(has, [false, true, false, true, false, false, true, true, false]);
  set.reset();
  t.is(set.count, 0);
  t.false(set.hasAny(0, 100));
  set.release();
});
