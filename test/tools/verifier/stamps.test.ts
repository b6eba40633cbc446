import test from 'ava';
import { BROKEN, generationsOf, SECTOR, stamp, ZEROS } from '../../../tools/verifier/stamps.js';

function sectors(image: number, first: number, generation: number, count: number): Buffer {
  const bytes = Buffer.alloc(count * SECTOR);
  stamp(bytes, image, first, generation);
  return bytes;
}

test('sectors tell their generation', (t) => {
  for (const [image, first, generation] of [
    [1, 0, 1],
    [2 ** 30 - 1, 2 ** 31, 4_000_000_000],
    [7, 100, ZEROS],
  ] as const) {
    const found = generationsOf(sectors(image, first, generation, 3), image, first);
    t.deepEqual([...found], [generation, generation, generation]);
  }
});

test('a sector of another place, of another image, or shifted by a part is broken', (t) => {
  const bytes = sectors(5, 1000, 9, 3);
  t.deepEqual([...generationsOf(bytes, 5, 1001)], [BROKEN, BROKEN, BROKEN]);
  t.deepEqual([...generationsOf(bytes, 6, 1000)], [BROKEN, BROKEN, BROKEN]);
  const shifted = Buffer.concat([bytes.subarray(32), bytes.subarray(0, 32)]);
  t.deepEqual([...generationsOf(shifted, 5, 1000)], [BROKEN, BROKEN, BROKEN]);
});

test('one wrong byte anywhere is seen', (t) => {
  for (const generation of [3, ZEROS]) {
    for (let at = 0; at < SECTOR; at++) {
      const bytes = sectors(1, 8, generation, 1);
      bytes[at] = bytes[at]! ^ 0x10;
      t.is(generationsOf(bytes, 1, 8)[0], BROKEN, `byte ${at}`);
    }
  }
});

test('a torn sector is seen wherever it is torn', (t) => {
  const [before, after] = [sectors(1, 8, 3, 1), sectors(1, 8, 4, 1)];
  for (let at = 4; at < SECTOR; at += 4) {
    const torn = Buffer.concat([after.subarray(0, at), before.subarray(at)]);
    t.is(generationsOf(torn, 1, 8)[0], BROKEN, `at byte ${at}`);
  }
});
