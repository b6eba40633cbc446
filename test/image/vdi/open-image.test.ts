import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { describeImage } from '../../../src/image/describe.js';
import { openChain } from '../../../src/image/open-chain.js';
import { mapOfImage, readImage } from '../../helpers/read-image.js';
import { sameBytes } from '../../helpers/same-bytes.js';
import { pattern, TMPFS, tempFolder } from '../../helpers/temp.js';
import { type VdiFields, vdiHeader } from './make-vdi.js';

const BLOCK = 1 << 20;
const AUTO = { format: 'auto', backingFormats: [], snapshot: null };
const NONE = '00'.repeat(16);

/** Writes an image: an entry of the map for each block, and the blocks one behind the other. */
function makeVdi(path: string, fields: VdiFields, map: number[], blocks: Buffer[]): void {
  const entries = Buffer.alloc(map.length * 4);
  for (const [index, entry] of map.entries()) entries.writeUInt32LE(entry, index * 4);
  const size = map.length * BLOCK;
  const head = vdiHeader({ size, blocks: map.length, ...fields });
  const gap = Buffer.alloc(BLOCK - 512 - entries.length);
  writeFileSync(path, Buffer.concat([head, entries, gap, ...blocks]));
}

/** As VirtualBox writes it: blocks in the order in which they were first written. */
test('a dynamic image has its blocks in any order', async (t) => {
  const folder = tempFolder(t, TMPFS);
  const path = join(folder, 'vm.vdi');
  const [one, two] = [pattern(BLOCK, 1), pattern(BLOCK, 2)];
  makeVdi(path, { size: 4 * BLOCK - 1000 }, [1, 0xffffffff, 0xfffffffe, 0], [one, two]);
  const zeros = Buffer.alloc(2 * BLOCK);
  // The size is rounded up to a sector.
  const whole = Buffer.concat([two, zeros, one]).subarray(0, 4 * BLOCK - 512);
  sameBytes(t, await readImage(path), whole);
  const kinds = mapOfImage(path).map(({ start, zero, offset }) => [start, zero, offset]);
  t.deepEqual(kinds, [
    [0, false, 2 * BLOCK],
    [BLOCK, true, null],
    [3 * BLOCK, false, BLOCK],
  ]);
});

test('info tells type, blocks and UUID', (t) => {
  const path = join(tempFolder(t, TMPFS), 'vm.vdi');
  makeVdi(path, { type: 2 }, [0], [pattern(BLOCK, 1)]);
  const { format, features, lines, virtualSize } = describeImage(path, AUTO);
  const uuid = '00112233-4455-6677-8899-aabbccddeeff';
  t.is(format, 'vdi');
  t.is(virtualSize, BLOCK);
  t.deepEqual(features, { type: 'static', blockSize: BLOCK, uuid });
  t.deepEqual(lines, [['features', `static, 1 MiB blocks, UUID ${uuid}`]]);
});

/** The folders of VirtualBox: the base in the machine's, differencing images in Snapshots. */
function makeTree(t: ExecutionContext, childFields: VdiFields = {}): string {
  const folder = tempFolder(t, TMPFS);
  mkdirSync(join(folder, 'Snapshots'));
  const ids = { id: '11'.repeat(16), changeId: '12'.repeat(16), parentId: NONE };
  makeVdi(
    join(folder, 'base.vdi'),
    ids,
    [0, 1, 0xffffffff, 0xffffffff],
    [pattern(BLOCK, 1), pattern(BLOCK, 2)],
  );
  const child = join(folder, 'Snapshots/{child}.vdi');
  const parent = { parentId: ids.id, parentChangeId: ids.changeId };
  const fields = { type: 4, ...parent, ...childFields };
  makeVdi(child, fields, [0xffffffff, 0xfffffffe, 0xffffffff, 0], [pattern(BLOCK, 3)]);
  return child;
}

test('a differencing image finds its parent by the UUID, and shows its blocks', async (t) => {
  for (const parentChangeId of ['12'.repeat(16), NONE]) {
    const child = makeTree(t, { parentChangeId });
    const zeros = Buffer.alloc(2 * BLOCK);
    const whole = Buffer.concat([pattern(BLOCK, 1), zeros, pattern(BLOCK, 3)]);
    sameBytes(t, await readImage(child), whole);
    const map = mapOfImage(child).map(({ depth, present, data }) => [depth, present, data]);
    t.deepEqual(map, [
      [1, true, true],
      [0, true, false],
      [1, true, false],
      [0, true, true],
    ]);
  }
});

test('a parent that has changed since, or is not there, is not taken', async (t) => {
  const why = /^its backing file, 1111.* is found neither beside it nor in the folder above/;
  for (const fields of [{ parentChangeId: '13'.repeat(16) }, { parentId: '14'.repeat(16) }]) {
    const { problems, virtualSize } = describeImage(makeTree(t, fields), AUTO);
    t.is(virtualSize, null);
    const expected = 'parentId' in fields ? new RegExp(why.source.replace('1111', '1414')) : why;
    t.regex(problems[0]!, expected);
  }
});

test('a static image is written only if all blocks are there, in their order', async (t) => {
  const path = join(tempFolder(t, TMPFS), 'vm.vdi');
  const blocks = [pattern(BLOCK, 1), pattern(BLOCK, 2)];
  const prepare = async (type: number, map: number[], count = 2): Promise<unknown> => {
    makeVdi(path, { type }, map, blocks.slice(0, count));
    const { layers, close } = openChain(path, AUTO);
    try {
      const { image } = layers[0]!;
      image.checkWriting!();
      return await image.prepareWriting!({ info() {}, warn() {} });
    } finally {
      close();
    }
  };
  t.like(await prepare(2, [0, 1]), { contentId: { offset: 408 } });
  const order =
    /a static VDI image that lacks blocks, or has them in another order, cannot be written/;
  await t.throwsAsync(prepare(2, [1, 0]), { message: order });
  await t.throwsAsync(prepare(2, [0, 0xffffffff]), { message: order });
  await t.throwsAsync(prepare(2, [0, 1], 1), { message: order });
  await t.throwsAsync(prepare(1, [0, 1]), { message: /a dynamic VDI image cannot be written/ });
});
