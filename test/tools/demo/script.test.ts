import test from 'ava';
import { ACTS, byHand } from '../../../tools/demo/script.js';

test('the lines to do the same by hand can be pasted: none of them reads those after it as keys', (t) => {
  const lines = byHand(128).split('\n');
  const live = lines.filter((line) => /^[^#]*sluice top/.test(line) && !line.includes('--once'));
  t.deepEqual(live, []);
  for (const { set } of ACTS) {
    if (set !== null) t.true(lines.includes(`sluice set s ${set.join(' ')}`));
  }
});
