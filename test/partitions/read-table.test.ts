import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { readTable, sectorSizesFor } from '../../src/partitions/read-table.js';
import type { PartitionTable } from '../../src/partitions/table.js';
import { makeTable, readFile, told } from '../helpers/partition-tools.js';
import { requires } from '../helpers/requires.js';
import { MIB, sparseFile, tempFolder } from '../helpers/temp.js';

const ANY = sectorSizesFor(null, null);
const sfdiskTest = requires('sfdisk');
const sgdiskTest = requires('sgdisk', 'sfdisk');
const partedTest = requires('parted', 'sfdisk');

/** The table of a file. */
function tableOf(path: string, bytes: number, sectorSize: number | null = null): PartitionTable {
  return readFile(path, readTable(bytes, sectorSizesFor(sectorSize, null)))!;
}

/** The table of a file must be what sfdisk says, without a fault. */
function sameAsTold(t: ExecutionContext, path: string, bytes: number): PartitionTable {
  const { problems, isHybrid, isBackup, ...table } = tableOf(path, bytes);
  t.deepEqual(table, told(path));
  t.deepEqual([problems, isBackup], [[], false]);
  return { ...table, problems, isHybrid, isBackup };
}

const SCRIPTS: Readonly<Record<string, string>> = {
  'four primary partitions':
    'label: dos\nstart=2048,size=8192,type=83,bootable\nsize=8192,type=82\nsize=8192,type=c\ntype=8e\n',
  'partitions that are not in order':
    'label: dos\nstart=40960,size=8192,type=83\nstart=2048,size=8192,type=83\n',
  'the third entry alone': 'label: dos\n3: start=2048,size=8192,type=83\n',
  'logical partitions':
    'label: dos\nsize=8192,type=83\ntype=5\nsize=8192,type=83\nsize=8192,type=8e\nsize=4096,type=7\n',
  'an extended partition with LBA in the first entry':
    'label: dos\nsize=65536,type=f\nsize=8192,type=83\n5: size=8192,type=83\n',
  'an extended partition without logical ones': 'label: dos\nsize=8192,type=83\ntype=5\n',
  'a GPT':
    'label: gpt\nsize=8192,type=uefi,name="EFI üß"\nsize=8192,type=linux,name=root\ntype=swap\n',
  'a GPT with gaps in its numbers':
    'label: gpt\n7: size=8192,type=linux\n128: size=8192,type=linux,attrs=LegacyBIOSBootable\n',
  'a GPT without partitions': 'label: gpt\n',
  'a short GPT': 'label: gpt\ntable-length: 4\nsize=8192,type=linux\n',
  'a long GPT': 'label: gpt\ntable-length: 1024\n900: size=8192,type=linux\nsize=8192,type=linux\n',
};

for (const [what, script] of Object.entries(SCRIPTS)) {
  sfdiskTest(`${what}: as sfdisk says`, (t) => {
    const path = makeTable(join(tempFolder(t), 'disk.img'), 64 * MIB, script);
    const table = tableOf(path, 64 * MIB);
    t.deepEqual(
      table.problems,
      what === 'a long GPT' ? ['p900 is not shown: numbers go up to 256'] : [],
    );
    const { problems: _, isHybrid, isBackup, ...rest } = table;
    t.deepEqual(rest, told(path));
    t.deepEqual([isHybrid, isBackup], [false, false]);
  });
}

sfdiskTest('60 logical partitions', (t) => {
  const script = `label: dos\ntype=f\n${'size=2048,type=83\n'.repeat(56)}`;
  const path = makeTable(join(tempFolder(t), 'disk.img'), 256 * MIB, script);
  const { partitions } = sameAsTold(t, path, 256 * MIB);
  t.deepEqual([partitions.length, partitions.at(-1)!.number], [57, 60]);
});

sgdiskTest('a table of sgdisk with 128 partitions', (t) => {
  const path = sparseFile(join(tempFolder(t), 'disk.img'), 300 * MIB);
  const words = Array.from({ length: 128 }, (_, i) => ['-n', `${i + 1}:0:+1M`]).flat();
  execFileSync('sgdisk', [...words, '-c', '128:last', path], { stdio: 'pipe' });
  const { partitions } = sameAsTold(t, path, 300 * MIB);
  t.like(partitions[127], { number: 128, name: 'last' });
});

sgdiskTest('in a hybrid MBR only the GPT counts', (t) => {
  const path = sparseFile(join(tempFolder(t), 'disk.img'), 64 * MIB);
  const words = ['-n', '1:0:+8M', '-n', '2:0:+8M', '-h', '2', path];
  execFileSync('sgdisk', words, { stdio: 'pipe' });
  const table = tableOf(path, 64 * MIB);
  t.like(table, { scheme: 'gpt', isHybrid: true, problems: [] });
  t.deepEqual(
    table.partitions.map(({ number, start, size }) => [number, start, size]),
    [
      [1, 1 * MIB, 8 * MIB],
      [2, 9 * MIB, 8 * MIB],
    ],
  );
});

partedTest('tables of parted', (t) => {
  for (const label of ['msdos', 'gpt']) {
    const path = sparseFile(join(tempFolder(t), `${label}.img`), 64 * MIB);
    const kind = label === 'gpt' ? 'first' : 'primary';
    const words = ['mklabel', label, 'mkpart', kind, 'ext4', '1MiB', '9MiB', 'mkpart', kind];
    execFileSync('parted', ['-s', path, ...words, '9MiB', '100%'], { stdio: 'pipe' });
    t.is(sameAsTold(t, path, 64 * MIB).partitions.length, 2);
  }
});

sfdiskTest('nothing but a table is one', (t) => {
  const folder = tempFolder(t);
  const empty = sparseFile(join(folder, 'empty.img'), MIB);
  t.is(readFile(empty, readTable(MIB, ANY)), null);
  t.is(readFile(empty, readTable(511, ANY)), null);
  t.is(readFile(empty, readTable(512, ANY)), null);
  for (const [index, words] of [
    ['mkfs.ext4', '-q'],
    ['mkfs.ext4', '-q', '-b', '4096'],
  ].entries()) {
    const path = sparseFile(join(folder, `fs${index}.img`), 8 * MIB);
    execFileSync(words[0]!, [...words.slice(1), path], { stdio: 'pipe' });
    t.is(readFile(path, readTable(8 * MIB, ANY)), null);
  }
});

/** Commands for fdisk, which can take a file for a disk with sectors of 4096 bytes. */
const FDISK: Readonly<Record<string, string>> = {
  gpt: 'g\nn\n\n\n+8M\nn\n\n\n+16M\nw\n',
  mbr: 'o\nn\np\n\n\n+8M\nn\ne\n\n\n\nn\n\n+8M\nn\n\n+8M\nw\n',
};

for (const [scheme, commands] of Object.entries(FDISK)) {
  sfdiskTest(`sectors of 4096 bytes: ${scheme}`, (t) => {
    const path = sparseFile(join(tempFolder(t), 'disk.img'), 128 * MIB);
    execFileSync('fdisk', ['-b', '4096', path], { input: commands, stdio: 'pipe' });
    const words = ['-b', '4096', '-l', '-o', 'Device,Start,Sectors', path];
    const listed = execFileSync('fdisk', words, { encoding: 'utf8', stdio: 'pipe' });
    const lines = listed.split('\n').filter((line) => line.startsWith(path));
    const expected = lines.map((line) => line.slice(path.length).split(/ +/).map(Number));
    const table = tableOf(path, 128 * MIB, scheme === 'gpt' ? null : 4096);
    const sectors = ({ number, start, size }: { number: number; start: number; size: number }) => {
      return [number, start / 4096, size / 4096];
    };
    t.deepEqual(table.partitions.map(sectors), expected);
    t.is(expected.length, scheme === 'gpt' ? 2 : 4);
    t.like(table, { sectorSize: 4096, problems: [], scheme });
  });
}

sfdiskTest('a block device tells the sectors of its MBR, and who mounts may', (t) => {
  t.deepEqual(sectorSizesFor(null, 4096), { gpt: [512, 4096], mbr: 4096 });
  t.deepEqual(sectorSizesFor(null, 512), { gpt: [512, 4096], mbr: 512 });
  // A sector of 2048 bytes is that of a CD, which has no partitions.
  t.deepEqual(sectorSizesFor(null, 2048), { gpt: [512, 4096], mbr: 512 });
  t.deepEqual(sectorSizesFor(4096, 512), { gpt: [4096], mbr: 4096 });
});
