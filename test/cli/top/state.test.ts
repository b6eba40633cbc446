import test from 'ava';
import { afterAsking, afterChange, afterLook, FIRST_STATE } from '../../../src/cli/top/state.js';

const change = (weight: number, was: number, isUndo = false) => {
  return { path: 'gold', words: [`weight=${weight}`], before: [`weight=${was}`], isUndo };
};

test('a change is kept, to be taken back later', (t) => {
  const [first, second] = [change(90, 80), change(70, 90)];
  const one = afterAsking(FIRST_STATE, first);
  t.deepEqual(one.done, [first]);
  const two = afterChange(afterChange(afterAsking(one, second), first, null), second, null);
  t.deepEqual(two.done, [first, second]);
  t.deepEqual(two.message, {
    text: 'gold: weight=70 (was weight=90; u takes it back)',
    isError: false,
  });
});

test('what is taken back is not kept, and what was refused has not happened', (t) => {
  const done = [change(90, 80), change(70, 90)];
  const undo = change(90, 70, true);
  const asked = afterAsking({ ...FIRST_STATE, done }, undo);
  t.deepEqual(asked.done, [change(90, 80)]);
  t.is(afterChange(asked, undo, null).message?.text, 'gold: weight=90');
  const refused = afterChange(asked, undo, 'gold: EBUSY');
  t.deepEqual([refused.done, refused.unseen], [done, []]);
  t.deepEqual(refused.message, { text: 'gold: EBUSY', isError: true });
  const another = change(50, 90);
  const gone = afterChange(afterAsking({ ...FIRST_STATE, done }, another), another, 'gold: ENOENT');
  t.deepEqual(gone.done, done);
});

test('a look at the mount shows the changes that had been made, and no others', (t) => {
  const [first, second] = [change(90, 80), change(70, 90)];
  const asked = afterAsking(afterAsking(FIRST_STATE, first), second);
  t.deepEqual(afterLook(asked).unseen, [first, second]);
  const made = afterChange(asked, first, null);
  t.deepEqual(made.unseen, [first, second]);
  t.deepEqual(afterLook(made).unseen, [second]);
  const refused = afterChange(made, second, 'gold: EBUSY');
  t.deepEqual(afterLook(refused).unseen, []);
});
