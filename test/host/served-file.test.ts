import { spawnSync } from 'node:child_process';
import { chmodSync, readFileSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { LocalFile } from '../../src/host/local-file.js';
import type { ServedFile } from '../../src/host/served-file.js';
import { loopDevice } from '../helpers/loop-device.js';
import { requires } from '../helpers/requires.js';
import { pattern, TMPFS, tempFolder } from '../helpers/temp.js';

/** Opens a file for one test in the form that the data plane gets. */
function open(t: ExecutionContext, path: string, readOnly: boolean, direct: boolean): ServedFile {
  const file = new LocalFile(path);
  t.teardown(() => file.close());
  return file.serve({ readOnly, directBlock: direct ? 4096 : 0 });
}

/** Flags of an open descriptor, as the kernel prints them. */
function flagsOf(descriptor: number): number {
  const text = readFileSync(`/proc/self/fdinfo/${descriptor}`, 'utf8');
  return Number.parseInt(/^flags:\s+([0-7]+)$/m.exec(text)![1]!, 8);
}

const O_DIRECT = 0o40000;
const O_CLOEXEC = 0o2000000;
const ACCESS = 3;

/** The name of the file system, by stat(1). */
function fileSystemOf(folder: string): string {
  return spawnSync('stat', ['-f', '-c', '%T', folder], { encoding: 'utf8' }).stdout.trim();
}

test('a file on tmpfs takes I/O of any length and offset, and is in memory', (t) => {
  const path = join(tempFolder(t, TMPFS), 'disk');
  writeFileSync(path, pattern(10_000, 1));
  const file = open(t, path, false, true);
  t.is(file.alignment, 1);
  t.true(file.inMemory);
  t.is(file.size, 10_000);
  t.false(file.blockDevice);
});

test('a file on a disk takes whole sectors or pages past the page cache', (t) => {
  const folder = tempFolder(t);
  const path = join(folder, 'disk');
  writeFileSync(path, pattern(10_000, 1));
  const file = open(t, path, false, true);
  if (!['ext2/ext3', 'xfs'].includes(fileSystemOf(folder))) {
    t.log(`skipped: the temporary folder is on ${fileSystemOf(folder)}`);
    t.pass();
    return;
  }
  t.true(file.alignment === 512 || file.alignment === 4096, `${file.alignment}`);
  t.is(flagsOf(file.descriptor) & O_DIRECT, O_DIRECT);
  t.false(file.inMemory);
});

test('without direct I/O any length and offset will do', (t) => {
  const path = join(tempFolder(t), 'disk');
  writeFileSync(path, pattern(10_000, 1));
  const file = open(t, path, false, false);
  t.is(file.alignment, 1);
  t.is(flagsOf(file.descriptor) & O_DIRECT, 0);
});

test('where blocks for direct I/O are larger than allowed, any length and offset will do', (t) => {
  const path = join(tempFolder(t), 'disk');
  writeFileSync(path, pattern(10_000, 1));
  const file = new LocalFile(path);
  t.teardown(() => file.close());
  const served = file.serve({ readOnly: false, directBlock: 256 });
  t.is(served.alignment, 1);
  t.is(flagsOf(served.descriptor) & O_DIRECT, 0);
});

test('a file shorter than a sector is open for direct I/O too', (t) => {
  const folder = tempFolder(t);
  const path = join(folder, 'disk');
  writeFileSync(path, 'x'.repeat(100));
  const file = open(t, path, false, true);
  t.is(file.size, 100);
  t.true([1, 512, 4096].includes(file.alignment));
});

test('an empty file takes what a full one takes', (t) => {
  for (const base of [undefined, TMPFS]) {
    const folder = tempFolder(t, base);
    writeFileSync(join(folder, 'empty'), '');
    writeFileSync(join(folder, 'full'), pattern(65536, 1));
    const full = open(t, join(folder, 'full'), false, true);
    t.is(open(t, join(folder, 'empty'), false, true).alignment, full.alignment);
  }
});

test('size, room taken, mode and time are the file’s', (t) => {
  const path = join(tempFolder(t), 'disk');
  writeFileSync(path, pattern(4096, 1));
  truncateSync(path, 1 << 30);
  chmodSync(path, 0o4751);
  utimesSync(path, 1_700_000_000, 1_700_000_000.5);
  const file = open(t, path, false, true);
  t.is(file.size, 1_073_741_824);
  t.true(file.allocated >= 4096 && file.allocated < 1 << 20, `${file.allocated}`);
  t.is(file.mode, 0o640);
  t.deepEqual(file.times.modified, { seconds: 1_700_000_000, nanoseconds: 500_000_000 });
});

for (const [readOnly, access] of [
  [true, 0],
  [false, 2],
] as const) {
  test(`with readOnly ${readOnly} the file is open with access mode ${access}`, (t) => {
    const path = join(tempFolder(t), 'disk');
    writeFileSync(path, pattern(4096, 1));
    for (const direct of [true, false]) {
      const { descriptor } = open(t, path, readOnly, direct);
      t.is(flagsOf(descriptor) & ACCESS, access);
      t.is(flagsOf(descriptor) & O_CLOEXEC, O_CLOEXEC);
    }
  });
}

requires('root', 'loop')(
  'a block device has the size of its device and takes whole sectors',
  async (t) => {
    const path = join(tempFolder(t), 'disk');
    writeFileSync(path, pattern(1 << 20, 1));
    const device = await loopDevice(t, path);
    const file = open(t, device, false, true);
    t.true(file.blockDevice);
    t.is(file.size, 1_048_576);
    t.is(file.allocated, 1_048_576);
    t.true(file.alignment === 512 || file.alignment === 4096);
    t.false(file.inMemory);
  },
);
