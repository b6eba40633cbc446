import test from 'ava';
import { afterChange, FIRST_STATE } from '../../../src/cli/top/state.js';

const change = (weight: number, was: number, isUndo = false) => {
  return { path: 'gold', words: [`weight=${weight}`], before: [`weight=${was}`], isUndo };
};

test('a change is kept, to be taken back later', (t) => {
  const one = afterChange(FIRST_STATE, change(90, 80), null);
  t.deepEqual(one.done, [change(90, 80)]);
  const two = afterChange(one, change(70, 90), null);
  t.deepEqual(two.done, [change(90, 80), change(70, 90)]);
  t.deepEqual(two.message, {
    text: 'gold: weight=70 (was weight=90; u takes it back)',
    isError: false,
  });
});

test('what is taken back is not kept, and what was refused has not happened', (t) => {
  const done = [change(90, 80), change(70, 90)];
  const from = { ...FIRST_STATE, done };
  const after = afterChange(from, change(90, 70, true), null);
  t.deepEqual(after.done, [change(90, 80)]);
  t.is(after.message?.text, 'gold: weight=90');
  const refused = afterChange(from, change(90, 70, true), 'gold: EBUSY');
  t.deepEqual(refused.done, done);
  t.deepEqual(refused.message, { text: 'gold: EBUSY', isError: true });
});
