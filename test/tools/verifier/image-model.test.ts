import test from 'ava';
import { ImageModel, type Promised } from '../../../tools/verifier/image-model.js';
import { BROKEN, ZEROS } from '../../../tools/verifier/stamps.js';

/** The generations among 0 to 9 that a sector may have. */
function allowed(model: ImageModel, sector: number, promised: Promised): number[] {
  const all = Array.from({ length: 10 }, (_, generation) => generation);
  return all.filter((one) => model.difference(sector, Uint32Array.of(one), promised) === null);
}

test('an answered write must be read; what it replaced is back only after a cut', (t) => {
  const model = new ImageModel(1, 100);
  t.deepEqual(allowed(model, 5, 'kept'), [ZEROS]);
  const first = model.begin(4, 3);
  t.deepEqual(allowed(model, 5, 'kept'), [ZEROS, 1]);
  model.answer(first, 3);
  t.deepEqual(allowed(model, 5, 'kept'), [1]);
  t.deepEqual(allowed(model, 5, 'cut'), [ZEROS, 1]);
  t.deepEqual(allowed(model, 7, 'cut'), [ZEROS]);
});

test('a synced write stays after a cut; one after the sync began does not have to', (t) => {
  const model = new ImageModel(1, 100);
  model.answer(model.begin(0, 2), 2);
  const mark = model.sync();
  model.answer(model.begin(1, 1), 1);
  model.synced(mark);
  t.deepEqual(allowed(model, 0, 'cut'), [1]);
  t.deepEqual(allowed(model, 1, 'cut'), [1, 2]);
  t.deepEqual(allowed(model, 1, 'kept'), [2]);
});

test('a write that was under way when a sync began is not synced by it', (t) => {
  const model = new ImageModel(1, 100);
  const write = model.begin(0, 1);
  const mark = model.sync();
  model.answer(write, 1);
  model.synced(mark);
  t.deepEqual(allowed(model, 0, 'cut'), [ZEROS, 1]);
});

test('a failed write is there or not, in each sector, until a later one is answered', (t) => {
  const model = new ImageModel(1, 100);
  model.answer(model.begin(0, 4), 4);
  model.answer(model.begin(0, 4), 1);
  t.deepEqual(allowed(model, 0, 'kept'), [2]);
  t.deepEqual(allowed(model, 1, 'kept'), [1, 2]);
  model.synced(model.sync());
  t.deepEqual(allowed(model, 1, 'cut'), [1, 2]);
  model.answer(model.begin(1, 1, true), 1);
  t.deepEqual(allowed(model, 1, 'kept'), [ZEROS]);
});

test('a refused change never was', (t) => {
  const model = new ImageModel(1, 100);
  model.refuse(model.begin(0, 2, true));
  model.answer(model.begin(0, 1), 1);
  model.refuse(model.begin(0, 1, true));
  t.deepEqual(allowed(model, 0, 'kept'), [1]);
  t.deepEqual(allowed(model, 1, 'cut'), [ZEROS]);
});

test('what was found after a cut is what must be there from then on', (t) => {
  const model = new ImageModel(1, 10, 20);
  model.answer(model.begin(0, 4), 4);
  model.adopt(12, (sector) => (sector < 2 ? 1 : ZEROS));
  t.deepEqual(allowed(model, 1, 'cut'), [1]);
  t.deepEqual(allowed(model, 3, 'kept'), [ZEROS]);
  t.is(model.sectors, 12);
});

test('the size after a cut is between the synced one and the largest', (t) => {
  const model = new ImageModel(1, 10, 20);
  model.grow(15);
  t.true(model.isPossibleSize(10, 'cut'));
  t.false(model.isPossibleSize(9, 'cut'));
  t.false(model.isPossibleSize(10, 'kept'));
  t.false(model.isPossibleSize(21, 'cut'));
  model.synced(model.sync());
  t.false(model.isPossibleSize(14, 'cut'));
});

test('a difference says where, and what was expected', (t) => {
  const model = new ImageModel(3, 100);
  model.answer(model.begin(8, 1), 1);
  const sentence = model.difference(7, Uint32Array.of(ZEROS, BROKEN), 'kept');
  t.is(sentence, 'image 3, sector 8: bytes that nobody wrote; synced was 0, since then 1 (kept)');
});
