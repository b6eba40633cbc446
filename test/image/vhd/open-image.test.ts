import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { describeImage } from '../../../src/image/describe.js';
import { mapOfImage, readImage } from '../../helpers/read-image.js';
import { sameBytes } from '../../helpers/same-bytes.js';
import { pattern, TMPFS, tempFolder } from '../../helpers/temp.js';
import { BLOCK, footerOf, ID_TEXT, makeDynamic, type StoredBlock, WHOLE } from './make-vhd.js';

const AUTO = { format: 'auto', backingFormats: [], snapshot: null };

function write(t: ExecutionContext, bytes: Buffer): string {
  const path = join(tempFolder(t, TMPFS), 'vm.vhd');
  writeFileSync(path, bytes);
  return path;
}

test('a dynamic image has its blocks in any order, and zeros where a bit is 0', async (t) => {
  const data = [pattern(BLOCK, 1), pattern(BLOCK, 2)];
  const there: StoredBlock['there'] = [
    [0, 0],
    [5, 70],
    [4095, 4095],
  ];
  const blocks = [
    { there, data: data[0]! },
    { there: WHOLE, data: data[1]! },
  ];
  const path = write(t, makeDynamic({}, {}, [1, null, 0], blocks));
  const last = Buffer.alloc(BLOCK);
  for (const [first, end] of there) {
    last.set(data[0]!.subarray(first * 512, (end + 1) * 512), first * 512);
  }
  sameBytes(t, await readImage(path), Buffer.concat([data[1]!, Buffer.alloc(BLOCK), last]));
  const map = mapOfImage(path).map(({ start, length, data, offset }) => {
    return [start / 512, length / 512, data, offset === null ? null : offset / 512];
  });
  t.deepEqual(map, [
    [0, 4096, true, 8 + 4097 + 1],
    [4096, 4096, false, null],
    [8192, 1, true, 9],
    [8193, 4, false, null],
    [8197, 66, true, 9 + 5],
    [8263, 4024, false, null],
    [12287, 1, true, 9 + 4095],
  ]);
});

test('a size that is not of whole sectors is rounded up', async (t) => {
  const blocks = [{ there: WHOLE, data: pattern(BLOCK, 1) }];
  const path = write(t, makeDynamic({ size: 1000 }, {}, [0], blocks));
  sameBytes(t, await readImage(path), pattern(BLOCK, 1).subarray(0, 1024));
});

test('a fixed image is known by its end, and is its file without the footer', async (t) => {
  const data = pattern(100 * 512, 1);
  const path = write(t, Buffer.concat([data, footerOf({ type: 2, size: data.length })]));
  const { format, features } = describeImage(path, AUTO);
  t.is(format, 'vhd');
  t.deepEqual(features, { type: 'fixed', blockSize: null, creator: 'win', uuid: ID_TEXT });
  sameBytes(t, await readImage(path), data);
  const cut = write(t, Buffer.concat([data, footerOf({ type: 2, size: data.length + 512 })]));
  t.deepEqual(describeImage(cut, AUTO).problems, ['its data is cut off']);
});

test('info tells of a footer that was lost', (t) => {
  const blocks = [{ there: WHOLE, data: Buffer.alloc(BLOCK) }];
  const bytes = makeDynamic({ size: BLOCK }, {}, [0], blocks);
  const path = write(t, bytes.subarray(0, -512));
  const { problems, lines } = describeImage(path, AUTO);
  t.deepEqual(problems, ['its footer is broken; the copy at the beginning is used']);
  t.deepEqual(lines, [['features', `dynamic, 2 MiB blocks, made by "win", UUID ${ID_TEXT}`]]);
});

test('an entry that leads into the headers is broken, and only its block', async (t) => {
  const data = { there: WHOLE, data: pattern(BLOCK, 1) };
  const bytes = makeDynamic({}, {}, [0, 0, 0], [data]);
  for (const sector of [0, 2]) {
    bytes.writeUInt32BE(sector, 1536 + 4);
    const path = write(t, bytes);
    await t.throwsAsync(readImage(path), { message: /^errno 5 at/ });
    sameBytes(t, await readImage(path, { length: BLOCK }), data.data);
    t.throws(() => mapOfImage(path), { message: /metadata for offset 2097152 is broken/ });
  }
});

test('a block that begins behind the end of the file is lost, and only that', async (t) => {
  const bytes = makeDynamic({}, {}, [0, 1, null], [{ there: WHOLE, data: pattern(BLOCK, 1) }]);
  const path = write(t, bytes);
  sameBytes(t, await readImage(path, { length: BLOCK }), pattern(BLOCK, 1));
  await t.throwsAsync(readImage(path), { message: /^errno 5 at/ });
  sameBytes(t, await readImage(path, { from: 2 * BLOCK, length: BLOCK }), Buffer.alloc(BLOCK));
});
