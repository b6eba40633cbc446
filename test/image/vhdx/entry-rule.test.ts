import test from 'ava';
import { describeImage } from '../../../src/image/describe.js';
import { mapOfImage, readImage } from '../../helpers/read-image.js';
import { sameBytes } from '../../helpers/same-bytes.js';
import { pattern } from '../../helpers/temp.js';
import { BLOCK, entryOf, itemsOf, MIB, makeTree, metadataOf, writeVhdx } from './make-vhdx.js';

const AUTO = { format: 'auto', backingFormats: [], snapshot: null };

test('each state of a block', async (t) => {
  const states = [0, 1, 2, 3, 5, 6];
  const table = Object.fromEntries(states.map((state, index) => [index, entryOf(state, 4)]));
  const metadata = metadataOf(itemsOf({ size: states.length * BLOCK }));
  const path = writeVhdx(t, { metadata, table, data: [[4 * MIB, pattern(BLOCK, 1)]] });
  const whole = Buffer.concat([Buffer.alloc(5 * BLOCK), pattern(BLOCK, 1)]);
  sameBytes(t, await readImage(path), whole);
  t.like(describeImage(path, AUTO).features, { type: 'dynamic', blockSize: BLOCK });
  // Partly present without a parent, the unknown state, and a place in the headers.
  for (const entry of [entryOf(7, 4), entryOf(4, 4), entryOf(6, 0)]) {
    const broken = writeVhdx(t, { metadata, table: { ...table, 5: entry } });
    await t.throwsAsync(readImage(broken), { message: /^errno 5 at/ });
    sameBytes(t, await readImage(broken, { length: 5 * BLOCK }), Buffer.alloc(5 * BLOCK));
  }
});

const BY_NAME = { relative_path: '..\\base.vhdx' };

for (const sectorBytes of [512, 4096]) {
  test(`a differencing image with sectors of ${sectorBytes} bytes`, async (t) => {
    const group = (8 * MIB * sectorBytes) / BLOCK;
    const bitmap = Buffer.alloc(MIB);
    // Bit 0 of byte 0 is the first sector: sectors 1 and 2, and 40 to 127.
    bitmap[0] = 0b110;
    bitmap.fill(255, 5, 16);
    const path = makeTree(
      t,
      { sectorBytes, parent: BY_NAME },
      {
        table: { 0: entryOf(7, 4), 1: entryOf(2), [group]: entryOf(6, 5) },
        data: [
          [4 * MIB, pattern(BLOCK, 9)],
          [5 * MIB, bitmap],
        ],
      },
    );
    const whole = Buffer.concat([pattern(BLOCK, 1), Buffer.alloc(BLOCK), pattern(BLOCK, 3)]);
    for (const [first, end] of [
      [1, 3],
      [40, 128],
    ] as const) {
      pattern(BLOCK, 9).copy(whole, first * sectorBytes, first * sectorBytes, end * sectorBytes);
    }
    sameBytes(t, await readImage(path), whole);
    const map = mapOfImage(path).map(({ start, depth }) => [start / sectorBytes, depth]);
    t.deepEqual(map, [
      [0, 1],
      [1, 0],
      [3, 1],
      [40, 0],
      [128, 1],
      [BLOCK / sectorBytes, 0],
      [(2 * BLOCK) / sectorBytes, 1],
    ]);
  });
}

test('a bitmap that is not there makes its block broken', async (t) => {
  for (const bitmap of [entryOf(0), entryOf(7, 5), entryOf(6, 0)]) {
    const path = makeTree(t, { parent: BY_NAME }, { table: { 0: entryOf(7, 4), 4096: bitmap } });
    await t.throwsAsync(readImage(path), { message: /^errno 5 at 0/ });
    sameBytes(t, await readImage(path, { from: 2 * BLOCK }), pattern(BLOCK, 3));
  }
});
