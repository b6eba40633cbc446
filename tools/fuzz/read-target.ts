import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { describeImage } from '../../src/image/describe.js';
import { formats } from '../../src/image/formats.js';
import { mapImage } from '../../src/image/map-image.js';
import { type ChainOptions, openChain } from '../../src/image/open-chain.js';
import * as vmdk from '../../src/image/vmdk/abi.js';
import { SluiceError } from '../../src/util/errors.js';
import { Random } from '../exerciser/random.js';
import { bgzf, seekable, xzBlocks } from '../lib/packed-maker.js';
import {
  descriptorText,
  hostedExtent,
  seSparseExtent,
  streamExtent,
  vmfsExtent,
} from '../lib/vmdk-maker.js';
import { mutateFields } from './header-fields.js';
import { readImage } from './read-image.js';
import type { Target } from './target.js';

/** Number of map entries that are read: a hostile image can have as many as a large disk. */
const ENTRIES_MAX = 20_000;
const HOW: ChainOptions = { format: 'auto', backingFormats: [], snapshot: null };

/** What qemu-img makes: its name of the format, and options. */
const KINDS = [
  ['vmdk', 'subformat=monolithicSparse'],
  ['vpc', 'subformat=dynamic'],
  ['vpc', 'subformat=fixed'],
  ['vdi', ''],
  ['vdi', 'static=on'],
  ['vhdx', 'block_size=1M,log_size=1M'],
  ['qed', 'cluster_size=4k'],
  ['qcow', ''],
  ['parallels', ''],
] as const;

const GRAIN = Buffer.alloc(65536, 'grain ');
const SMALL_GRAIN = Buffer.alloc(4096, 'small ');
const PACKED = Buffer.concat([GRAIN, SMALL_GRAIN]);

/** The descriptors of disks in other files, which lie beside the input. */
const DESCRIPTORS = [
  descriptorText(['RW 2 FLAT "flat" 1', 'RW 100 SPARSE "hosted"', 'RW 7 ZERO']),
  descriptorText(['RW 100 VMFSSPARSE "vmfs"', 'RW 8 SESPARSE "wide"', 'RDONLY 1 VMFS "flat"']),
  descriptorText(['RW 8 ZERO'], ['parentFileNameHint="base.vmdk"', 'encoding="UTF-8"']).replace(
    'parentCID=ffffffff',
    'parentCID=12345678',
  ),
];

/** The descriptor of a disk of Parallels, whose file lies beside the input. */
function bundle(file: string, type: string): Buffer {
  const image = `<Image><GUID>{1}</GUID><Type>${type}</Type><File>${file}</File></Image>`;
  return Buffer.from(`<?xml version='1.0' encoding='UTF-8'?>
<Parallels_disk_image Version="1.0">
<Disk_Parameters><Disk_size>100</Disk_size><Encryption><Engine>{0}</Engine></Encryption></Disk_Parameters>
<StorageData><Storage><Start>0</Start><End>100</End><Blocksize>2048</Blocksize>${image}</Storage></StorageData>
</Parallels_disk_image>
`);
}

/** What a program makes that not every machine has. */
function ifThere(make: () => Buffer): Buffer[] {
  try {
    return [make()];
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    return [];
  }
}

function makeSeeds(folder: string): Buffer[] {
  const made = KINDS.map(([format, options], index) => {
    const name = `seed${index}`;
    const words = options === '' ? [] : ['-o', options];
    const run = (program: string, ...list: string[]) => {
      execFileSync(program, list, { cwd: folder, stdio: 'ignore' });
    };
    run('qemu-img', 'create', '-q', '-f', format, ...words, name, '300k');
    run('qemu-io', '-f', format, '-c', 'write -P 1 0 70k', '-c', 'write -P 2 200k 4k', name);
    return readFileSync(join(folder, name));
  });
  const descriptor = descriptorText(['RW 1000 SPARSE "input.vmdk"']);
  const grains = new Map([
    [0, GRAIN],
    [5, GRAIN],
  ]);
  return [
    ...made,
    hostedExtent({ capacity: 1000, grains, descriptor, version: 2, flags: 7 }),
    streamExtent(1000, grains),
    bgzf(PACKED, 5000),
    ...ifThere(() => seekable(PACKED, 5000)),
    ...ifThere(() => xzBlocks(PACKED, 5000, 'crc32')),
    ...ifThere(() => xzBlocks(PACKED, 20_000, 'sha256', 2)),
    ...['flat', 'sparse'].map((file) => bundle(file, file === 'flat' ? 'Plain' : 'Compressed')),
    ...DESCRIPTORS.map((text) => Buffer.from(text)),
  ];
}

/** Files that an input may name. */
function makeNeighbours(folder: string): void {
  const write = (name: string, bytes: string | Buffer) => writeFileSync(join(folder, name), bytes);
  const small = new Map([
    [0, SMALL_GRAIN],
    [2, SMALL_GRAIN],
  ]);
  write('flat', GRAIN);
  const words = ['create', '-q', '-f', 'parallels', join(folder, 'sparse'), '50k'];
  execFileSync('qemu-img', words, { stdio: 'ignore' });
  write('hosted', hostedExtent({ capacity: 100, grains: small, grainSectors: 8 }));
  write('vmfs', vmfsExtent(100, 8, small));
  write('wide', seSparseExtent(100, small));
  write('base.vmdk', descriptorText(['RW 100 FLAT "flat" 0']));
}

async function unlessRefused(what: () => unknown): Promise<void> {
  try {
    await what();
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error;
  }
}

function look(path: string): void {
  const chain = openChain(path, HOW);
  try {
    let count = 0;
    for (const _entry of mapImage(chain)) if (++count >= ENTRIES_MAX) break;
  } finally {
    chain.close();
  }
}

/** Numbers as these formats store them, the low byte first. */
function fields(): Buffer[] {
  return Object.values(vmdk)
    .filter((value) => typeof value === 'number')
    .map((value) => {
      const word = Buffer.alloc(4);
      word.writeUInt32LE(value >>> 0);
      return word;
    });
}

const WORDS = [
  'RW ',
  'RDONLY ',
  'NOACCESS ',
  'FLAT',
  'SPARSE',
  'SESPARSE',
  'ZERO',
  '"flat" ',
  '\n',
];
const TAGS = ['Disk_size', 'Engine', 'StorageData', 'Storage', 'Image', 'Type', 'File'].flatMap(
  (tag) => [`<${tag}>`, `</${tag}>`],
);
const SETTINGS = ['CID=', 'parentCID=', 'parentFileNameHint="', 'encoding="', 'version=', '"'];

/** Images that are only read, of all formats but qcow2. */
export const reads: Target = {
  name: 'reads',
  about: 'images of the other formats: probe, describe, open, map, read',
  batch: 1,
  each: 2000,
  short: 170,
  longest: 6 << 20,
  fixed: true,
  seeds: (folder) => makeSeeds(folder),
  words: async () => [
    ...fields(),
    ...[...WORDS, ...TAGS, ...SETTINGS, ...formats().map(({ name }) => name)].map((text) =>
      Buffer.from(text),
    ),
  ],
  mutate: mutateFields,
  prepare: (folder) => {
    const path = join(folder, 'input.vmdk');
    makeNeighbours(folder);
    return async (input) => {
      // What is done with an input depends on nothing else.
      const random = new Random(crc32(input), 0);
      writeFileSync(path, input);
      await unlessRefused(() => describeImage(path, HOW));
      await unlessRefused(() => look(path));
      await unlessRefused(() => readImage(path, HOW, random));
    };
  },
};
