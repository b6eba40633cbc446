import { closeSync, ftruncateSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { mapImage, sumContent } from '../../src/image/map-image.js';
import { openChain } from '../../src/image/open-chain.js';
import { Maker } from '../../tools/lib/image-maker.js';
import { qemuTest } from '../formats/needs.js';
import { TMPFS, tempFolder } from '../helpers/temp.js';

const KIB = 1024;
const AUTO = { format: 'auto', backingFormats: [], snapshot: null };

test('a raw image has its data and the holes of its file', (t) => {
  const path = join(tempFolder(t, TMPFS), 'disk.img');
  const file = openSync(path, 'w');
  writeSync(file, Buffer.alloc(8 * KIB, 1), 0, 8 * KIB, 16 * KIB);
  ftruncateSync(file, 64 * KIB + 100);
  closeSync(file);
  const chain = openChain(path, AUTO);
  t.teardown(() => chain.close());
  const entries = [...mapImage(chain)];
  t.deepEqual(
    entries.map(({ start, length, data, zero }) => ({ start, length, isData: data && !zero })),
    [
      { start: 0, length: 16 * KIB, isData: false },
      { start: 16 * KIB, length: 8 * KIB, isData: true },
      { start: 24 * KIB, length: 40 * KIB + 512, isData: false },
    ],
  );
  t.is(entries[1]?.offset, 16 * KIB);
  t.is(entries[1]?.file, path);
  const { data, zero, hole } = sumContent(entries);
  t.is(data, 8 * KIB);
  t.is(data + zero + hole, chain.layers[0]!.image.size);
});

qemuTest('neighbours that are alike are one entry, of the layer that answers', (t) => {
  const maker = new Maker(tempFolder(t, TMPFS));
  maker.raw('base.img', 1 << 20);
  maker.io('base.img', 'raw', 'write -P 1 0 1M');
  maker.create('top.qcow2', '1M', '', '-b', 'base.img', '-F', 'raw');
  maker.io('top.qcow2', 'qcow2', 'write -P 2 0 128k', 'write -z 256k 64k');
  const chain = openChain(maker.path('top.qcow2'), AUTO);
  t.teardown(() => chain.close());
  t.deepEqual(
    [...mapImage(chain)].map(({ start, length, depth }) => [start / KIB, length / KIB, depth]),
    [
      [0, 128, 0],
      [128, 128, 1],
      [256, 64, 0],
      [320, 704, 1],
    ],
  );
});
