import { readFileSync } from 'node:fs';
import { Maker } from '../../tools/lib/image-maker.js';
import { mapOfImage, readImage } from '../helpers/read-image.js';
import { must } from '../helpers/run.js';
import { sameBytes } from '../helpers/same-bytes.js';
import { TMPFS, tempFolder } from '../helpers/temp.js';
import { compareWithQemu } from './compare-with-qemu.js';
import { qemuMountTest, qemuTest } from './needs.js';
import type { Variant } from './variants.js';

// qcow2 over qcow2 over an image of each other format.

const KIB = 1024;
const MIB = 1 << 20;

/** A format of QEMU, and how it makes one. */
const BASES = [
  ['vmdk', 'subformat=monolithicSparse'],
  ['vmdk', 'subformat=twoGbMaxExtentFlat'],
  ['vmdk', 'subformat=streamOptimized'],
  ['vpc', 'subformat=dynamic,force_size=on'],
  ['vpc', 'subformat=fixed,force_size=on'],
  ['vdi', 'static=off'],
  ['parallels', 'cluster_size=64k'],
  ['qcow', ''],
  ['qed', ''],
] as const;

/** Sizes of the base, the image in the middle and the top, bytes: each layer is the shortest once. */
const SIZES = [
  [3 * MIB + 1536, 5 * MIB, 7 * MIB],
  [7 * MIB, 2 * MIB + 512, 8 * MIB],
  [7 * MIB, 8 * MIB, 3 * MIB + 512],
] as const;

function makeChain(
  maker: Maker,
  format: string,
  options: string,
  [base, middle, top]: (typeof SIZES)[number],
): void {
  const words = options === '' ? [] : ['-o', options];
  const name = `base.${format}`;
  maker.raw('source', base);
  const last = base - 500 * KIB;
  maker.io('source', 'raw', 'write -P 1 0 64k', 'write -P 2 100k 300k', `write -P 3 ${last} 200k`);
  maker.img('convert', '-f', 'raw', '-O', format, ...words, 'source', name);
  maker.create('middle', String(middle), '', '-b', name, '-F', format);
  maker.io('middle', 'qcow2', 'write -P 5 200k 64k', `write -P 6 ${middle - 300 * KIB} 64k`);
  maker.create('top.qcow2', String(top), '', '-b', 'middle', '-F', 'qcow2');
  maker.io('top.qcow2', 'qcow2', 'write -P 7 1M 128k', 'write -z 1664k 64k');
}

const CHAINS = BASES.flatMap(([format, options]) => {
  return SIZES.map((sizes): Variant => {
    return {
      title: `over ${format} ${options}, of ${sizes.join(', ')} bytes`,
      make: (maker) => makeChain(maker, format, options, sizes),
    };
  });
});

qemuMountTest('chains over other formats read and map as in QEMU', async (t) => {
  await compareWithQemu(t, CHAINS, TMPFS);
});

interface Part {
  start: number;
  length: number;
  depth: number;
  data: boolean;
}

qemuTest(
  'chains over VHDX read as in QEMU, and map as there but for the holes of VHDX',
  async (t) => {
    for (const options of ['subformat=dynamic,block_size=1M', 'subformat=fixed']) {
      for (const sizes of SIZES) {
        const maker = new Maker(tempFolder(t, TMPFS));
        makeChain(maker, 'vhdx', options, sizes);
        const image = maker.path('top.qcow2');
        maker.img('convert', '-f', 'qcow2', '-O', 'raw', image, 'raw');
        const whole = readFileSync(maker.path('raw'));
        sameBytes(t, await readImage(image), whole);
        const found = mapOfImage(image);
        const partAt = (parts: readonly Part[], at: number): Part =>
          parts.findLast(({ start }) => start <= at)!;
        const map = await must('qemu-img', ['map', '--output=json', '-f', 'qcow2', image]);
        for (const { start, length, depth, data } of JSON.parse(map) as Part[]) {
          for (let at = start; at < start + length; at += 512) {
            const ours = partAt(found, at);
            if (ours.depth !== depth) t.is(ours.depth, depth, `depth at ${at}`);
            // QEMU calls all of a VHDX image data.
            const isHole = depth === 2 && whole.subarray(at, at + 512).every((byte) => byte === 0);
            if (ours.data !== data && !isHole) t.is(ours.data, data, `data at ${at}`);
          }
        }
      }
    }
    t.pass();
  },
);
