import test from 'ava';
import { getSharedFigures, newSharedFigures, putSharedFigures } from '../../src/lease/figures.js';

test('figures are read as they were written, by another thread too, and grow old', (t) => {
  const memory = newSharedFigures();
  t.like(getSharedFigures(memory), {
    state: 'starting',
    fault: 'none',
    ageMs: null,
    storeMs: null,
  });
  const granted = [-1, -1, 4096, -1, -1, 12.5];
  const figures = { granted, wanted: [-1, -1, 0, -1, -1, 99], peers: 7, storeMs: 1.5 } as const;
  putSharedFigures(memory, { ...figures, state: 'safe', fault: 'lost', ageMs: 60_000 });
  const { ageMs, ...others } = getSharedFigures(memory);
  t.deepEqual(others, { ...figures, state: 'safe', fault: 'lost' });
  t.true(ageMs! >= 60_000 && ageMs! < 120_000);
});
