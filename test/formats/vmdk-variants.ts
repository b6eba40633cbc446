import { writeFileSync } from 'node:fs';
import type { Maker } from '../../tools/lib/image-maker.js';
import {
  descriptorText,
  type Grains,
  hostedExtent,
  seSparseExtent,
  streamExtent,
  vmfsExtent,
} from '../../tools/lib/vmdk-maker.js';
import { pattern } from '../helpers/temp.js';
import type { Variant } from './variants.js';

// Images in the format vmdk that qemu-img and qemu-io make, and others as VMware makes them.

const KIB = 1024;
const MIB = 1 << 20;
/** Of QEMU's grains. */
const GRAIN = 64 * KIB;
const TOP = 'top.vmdk';

const SUBFORMATS = [
  'monolithicSparse',
  'monolithicFlat',
  'twoGbMaxExtentSparse',
  'twoGbMaxExtentFlat',
  'streamOptimized',
];

/** A raw image with islands of data, one at its end. */
function makeSource(maker: Maker, size: number): void {
  const bytes = Buffer.alloc(size);
  pattern(200 * KIB, 7).copy(bytes, 10 * KIB);
  if (size > 4 * MIB) bytes.fill('compressible ', 3 * MIB, 3 * MIB + 300 * KIB);
  pattern(1000, 9).copy(bytes, Math.max(0, size - 1000));
  writeFileSync(maker.path('source.raw'), bytes);
}

function converted(subformat: string, size: number, options = ''): Variant {
  return {
    title: `${subformat} of ${size} bytes${options}`,
    top: TOP,
    make(maker) {
      makeSource(maker, size);
      const how = `subformat=${subformat}${options}`;
      maker.img('convert', '-f', 'raw', '-O', 'vmdk', '-o', how, 'source.raw', TOP);
    },
  };
}

function create(maker: Maker, name: string, size: string, options = '', ...more: string[]): void {
  const words = options === '' ? [] : ['-o', options];
  maker.img('create', '-q', '-f', 'vmdk', ...words, ...more, name, size);
}

const WRITES = ['write -P 1 0 64k', 'write -P 2 100k 300k', 'write -P 3 3M 1k', 'write -P 4 5M 1M'];

const SINGLES: Variant[] = [
  ...SUBFORMATS.flatMap((subformat) => {
    return [512, GRAIN - 512, GRAIN, GRAIN + 512, 40 * MIB + 3 * 512].map((size) => {
      return converted(subformat, size);
    });
  }),
  converted('monolithicSparse', 5 * MIB, ',compat6=on'),
  {
    title: 'grains of zeros',
    top: TOP,
    make(maker) {
      create(maker, TOP, '40M', 'zeroed_grain=on');
      maker.io(TOP, 'vmdk', ...WRITES, 'write -z 0 128k', 'write -z 33M 1M');
    },
  },
  {
    title: 'grains that do not follow each other',
    top: TOP,
    make(maker) {
      create(maker, TOP, '8M');
      maker.io(
        TOP,
        'vmdk',
        ...[5, 3, 4, 0, 1, 9].map((at) => `write -P ${at + 1} ${at * 64}k 64k`),
      );
    },
  },
];

const CHAINS: Variant[] = [
  {
    title: 'three layers of vmdk',
    top: TOP,
    make(maker) {
      create(maker, 'base.vmdk', '6M', 'subformat=twoGbMaxExtentSparse');
      maker.io('base.vmdk', 'vmdk', ...WRITES);
      create(maker, 'middle.vmdk', '6M', '', '-b', 'base.vmdk', '-F', 'vmdk');
      maker.io('middle.vmdk', 'vmdk', 'write -P 7 192k 64k');
      create(maker, TOP, '6M', 'zeroed_grain=on', '-b', 'middle.vmdk', '-F', 'vmdk');
      maker.io(TOP, 'vmdk', 'write -P 8 1M 64k', 'write -z 256k 64k');
    },
  },
  {
    title: 'over a flat disk',
    top: TOP,
    make(maker) {
      create(maker, 'base.vmdk', '6M', 'subformat=monolithicFlat');
      maker.io('base.vmdk', 'vmdk', ...WRITES);
      create(maker, TOP, '6M', 'subformat=twoGbMaxExtentSparse', '-b', 'base.vmdk', '-F', 'vmdk');
      maker.io(TOP, 'vmdk', 'write -P 8 1M 64k');
    },
  },
  ...SUBFORMATS.map((subformat): Variant => {
    return {
      title: `qcow2 over ${subformat}`,
      make(maker) {
        converted(subformat, 6 * MIB + 512).make(maker);
        maker.create('top.qcow2', '7M', 'cluster_size=16k', '-b', TOP, '-F', 'vmdk');
        maker.io('top.qcow2', 'qcow2', 'write -P 9 20k 5k', 'write -z 3M 32k', 'write -P 8 6M 1k');
      },
    };
  }),
];

/** An extent as VMware makes it, with a descriptor of its own. */
function handMade(
  title: string,
  createType: string,
  extents: readonly [string, Buffer][],
): Variant {
  return {
    title,
    top: TOP,
    make(maker) {
      for (const [index, [, bytes]] of extents.entries()) {
        writeFileSync(maker.path(`extent${index}.vmdk`), bytes);
      }
      const lines = extents.map(([line], index) => `RW ${line} "extent${index}.vmdk"`);
      writeFileSync(maker.path(TOP), descriptorText(lines).replace('custom', createType));
    },
  };
}

function noise(places: readonly number[], bytes: number): Grains {
  return new Map(places.map((place) => [place, pattern(bytes, place + 1)]));
}

const HAND_MADE: Variant[] = [
  handMade('sectors of VMFS', 'vmfsSparse', [
    ['9000 VMFSSPARSE', vmfsExtent(9000, 1, noise([0, 1, 2, 4095, 4096, 8999], 512))],
  ]),
  // (QEMU takes the last grain of an extent for whole, and shows too much of it.)
  handMade('grains of VMFS, in two extents', 'vmfsSparse', [
    ['3008 VMFSSPARSE', vmfsExtent(3008, 16, noise([3, 5, 4, 187], 8192))],
    ['5000 VMFSSPARSE', vmfsExtent(5000, 128, noise([0, 39], GRAIN))],
  ]),
  handMade('seSparse', 'seSparse', [
    [
      '70000 SESPARSE',
      seSparseExtent(
        70_000,
        new Map([...noise([1, 2, 4095, 4096, 8191], 4096), [7, 'zeros'], [8192, 'zeros']]),
      ),
    ],
  ]),
  handMade('small tables', 'twoGbMaxExtentSparse', [
    [
      '5000 SPARSE',
      hostedExtent({
        ...{ capacity: 5000, grainSectors: 16, tableEntries: 64 },
        grains: noise([0, 63, 64, 70, 200, 312], 8192),
      }),
    ],
  ]),
  ...[1, 3].map((version): Variant => {
    return {
      title: `a stream of version ${version}, with its tables between the grains`,
      top: TOP,
      make(maker) {
        const grains = noise([0, 1, 511, 512, 700], GRAIN);
        writeFileSync(maker.path(TOP), streamExtent(701 * 128, grains, version));
      },
    };
  }),
];

export const VMDK_VARIANTS: readonly Variant[] = [...SINGLES, ...HAND_MADE, ...CHAINS];
