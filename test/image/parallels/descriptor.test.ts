import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { describeImage } from '../../../src/image/describe.js';
import { openChain } from '../../../src/image/open-chain.js';
import { isDescriptor } from '../../../src/image/parallels/descriptor.js';
import { SluiceError } from '../../../src/util/errors.js';
import { qemuTest } from '../../formats/needs.js';
import { mapOfImage, readImage } from '../../helpers/read-image.js';
import { sameBytes } from '../../helpers/same-bytes.js';
import { pattern, TMPFS, tempFolder } from '../../helpers/temp.js';

const AUTO = { format: 'auto', backingFormats: [], snapshot: null };
const MIB = 1 << 20;
const NULL_ID = '{00000000-0000-0000-0000-000000000000}';
const TOP_ID = '{5fbaabe3-6958-40ff-92a7-860e329aab41}';

interface Part {
  file?: string;
  type?: string;
  /** Files below it. */
  snapshots?: number;
  engine?: string;
  bytes?: number;
  parts?: number;
}

/** A descriptor as Parallels Desktop 16 writes it. */
function descriptor(part: Part): string {
  const { file = 'disk.hdd.0.hds', type = 'Compressed', snapshots = 0, engine = NULL_ID } = part;
  const sectors = (part.bytes ?? MIB) / 512;
  const image = (name: string): string =>
    `<Image><GUID>${TOP_ID}</GUID><Type>${type}</Type><File>${name}</File></Image>`;
  const images = [file, ...Array.from({ length: snapshots }, (_, at) => `old.${at}.hds`)];
  const storage = `<Storage><Start>0</Start><End>${sectors}</End><Blocksize>2048</Blocksize>
            ${images.map(image).join('\n            ')}
        </Storage>`;
  return `<?xml version='1.0' encoding='UTF-8'?>
<Parallels_disk_image Version="1.0">
    <Disk_Parameters>
        <Disk_size>${sectors}</Disk_size><Cylinders>4</Cylinders>
        <LogicSectorSize>512</LogicSectorSize><Heads>16</Heads><Sectors>32</Sectors><Padding>0</Padding>
        <Encryption><Engine>${engine}</Engine><Data></Data></Encryption>
        <Name>disk</Name>
    </Disk_Parameters>
    <StorageData>
        ${storage.repeat(part.parts ?? 1)}
    </StorageData>
    <Snapshots><Shot><GUID>${TOP_ID}</GUID><ParentGUID>${NULL_ID}</ParentGUID></Shot></Snapshots>
</Parallels_disk_image>
`;
}

/** A folder with a descriptor. Returns the path of that. */
function makeBundle(t: ExecutionContext, part: Part, name = 'disk.hdd'): string {
  const folder = join(tempFolder(t, TMPFS), name);
  mkdirSync(folder);
  writeFileSync(join(folder, 'DiskDescriptor.xml'), descriptor(part));
  return join(folder, 'DiskDescriptor.xml');
}

function refused(path: string, options = {}): string {
  try {
    openChain(path, { ...AUTO, ...options }).close();
    return 'taken';
  } catch (error) {
    return error instanceof SluiceError && error.exitCode === 3 ? error.message : String(error);
  }
}

qemuTest('a disk is read by its descriptor as its file is', async (t) => {
  const path = makeBundle(t, {});
  const content = Buffer.concat([pattern(MIB / 2, 1), Buffer.alloc(MIB / 2)]);
  const [raw, file] = ['raw', 'disk.hdd.0.hds'].map((name) => join(path, '..', name)) as [
    string,
    string,
  ];
  writeFileSync(raw, content);
  execFileSync('qemu-img', [
    'convert',
    '-f',
    'raw',
    '-O',
    'parallels',
    '-o',
    'cluster_size=64k',
    raw,
    file,
  ]);
  sameBytes(t, await readImage(path), content);
  t.deepEqual(mapOfImage(path), mapOfImage(file, { format: 'parallels' }));
  const { format, virtualSize, features, problems } = describeImage(path, AUTO);
  t.deepEqual([format, virtualSize, problems], ['parallels', MIB, []]);
  t.like(features, { clusterSize: 65536 });
  const untrusted = { named: { dataFiles: [], backingFiles: [], untrusted: true } };
  t.regex(refused(path, untrusted), /names the data file .*--data-file .* allows it$/);
});

test('a disk whose file has its bytes as they are', async (t) => {
  const path = makeBundle(t, { type: 'Plain', file: 'a &amp; b.hds' });
  const content = pattern(MIB, 3);
  const file = join(path, '..', 'a & b.hds');
  writeFileSync(file, content);
  sameBytes(t, await readImage(path), content);
  writeFileSync(file, content.subarray(512));
  t.regex(refused(path), /a & b\.hds: the file is cut off: it has 1048064 of 1048576 bytes$/);
});

test('disks of several files, encrypted and broken ones are refused', (t) => {
  const told = (part: Part): string => refused(makeBundle(t, part));
  const merge = /; "prl_disk_tool merge --hdd \S*disk\.hdd" makes one file of it$/;
  t.regex(told({ snapshots: 2 }), /it has 2 snapshots, which are not read/);
  t.regex(told({ snapshots: 2 }), merge);
  t.regex(told({ parts: 3 }), /it is split into 3 parts/);
  t.regex(told({ parts: 3 }), merge);
  t.regex(told({ parts: 0 }), /it has no Storage$/);
  t.regex(told({ engine: TOP_ID }), /it is encrypted$/);
  t.regex(told({ type: 'Other' }), /no image of a known type and size$/);
  t.regex(told({ file: '' }), /no image of a known type and size$/);
  t.regex(told({ bytes: Number.NaN }), /no image of a known type and size$/);
  t.regex(told({ file: '../../outside.hds' }), /outside\.hds: no such file$/);
});

test('a file of another size is refused', (t) => {
  const path = makeBundle(t, { type: 'Compressed', bytes: 2 * MIB });
  const front = Buffer.alloc(4096);
  front.write('WithoutFreeSpace', 0, 'latin1');
  front.writeUInt32LE(2, 16);
  front.writeUInt32LE(2048, 28);
  front.writeUInt32LE(1, 32);
  front.writeUInt32LE(2048, 36);
  writeFileSync(join(path, '..', 'disk.hdd.0.hds'), front);
  t.regex(refused(path), /its disk has 2097152 bytes, and .*\.hds 1048576$/);
});

test('whatever is cut out of a descriptor, it ends', (t) => {
  const path = makeBundle(t, {});
  const text = descriptor({});
  for (let at = 0; at < text.length; at += 7) {
    writeFileSync(path, text.slice(0, at) + text.slice(at + 11));
    t.not(refused(path, { format: 'parallels' }), 'taken');
  }
});

test('a descriptor is known by its first bytes, a folder tells of it', (t) => {
  t.true(isDescriptor(Buffer.from(descriptor({})).subarray(0, 512)));
  t.false(isDescriptor(Buffer.from('<?xml version="1.0"?><svg>')));
  t.false(isDescriptor(Buffer.from('text with <Parallels_disk_image')));
  const path = makeBundle(t, {});
  t.is(
    t.throws(() => openChain(join(path, '..'), AUTO))?.message,
    `${join(path, '..')}: a directory, not an image; the disk in it is ${path}`,
  );
});
