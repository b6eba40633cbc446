import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  mkdirSync,
  readFileSync,
  renameSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { FileSource } from '../../src/image/source.js';
import { type HostFile, openHostFile } from '../../src/server/host-file.js';
import { SluiceError } from '../../src/util/errors.js';
import { loopDevice } from '../helpers/loop-device.js';
import { requires } from '../helpers/requires.js';
import { pattern, TMPFS, tempFolder } from '../helpers/temp.js';

/** Opens a file for one test. */
async function open(
  t: ExecutionContext,
  path: string,
  readOnly: boolean,
  direct: boolean,
): Promise<HostFile> {
  const file = await openPath(path, readOnly, direct);
  t.teardown(() => closeSync(file.descriptor));
  return file;
}

async function openPath(path: string, readOnly: boolean, direct: boolean): Promise<HostFile> {
  const source = new FileSource(path);
  try {
    return await openHostFile(source, readOnly, direct);
  } finally {
    source.close();
  }
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

test('a file on tmpfs takes I/O of any length and offset, and is in memory', async (t) => {
  const path = join(tempFolder(t, TMPFS), 'disk');
  writeFileSync(path, pattern(10_000, 1));
  const file = await open(t, path, false, true);
  t.is(file.alignment, 1);
  t.true(file.inMemory);
  t.is(file.size, 10_000);
  t.false(file.blockDevice);
});

test('a file on a disk takes whole sectors or pages past the page cache', async (t) => {
  const folder = tempFolder(t);
  const path = join(folder, 'disk');
  writeFileSync(path, pattern(10_000, 1));
  const file = await open(t, path, false, true);
  if (!['ext2/ext3', 'xfs'].includes(fileSystemOf(folder))) {
    t.log(`skipped: the temporary folder is on ${fileSystemOf(folder)}`);
    t.pass();
    return;
  }
  t.true(file.alignment === 512 || file.alignment === 4096, `${file.alignment}`);
  t.is(flagsOf(file.descriptor) & O_DIRECT, O_DIRECT);
  t.false(file.inMemory);
});

test('without direct I/O any length and offset will do', async (t) => {
  const path = join(tempFolder(t), 'disk');
  writeFileSync(path, pattern(10_000, 1));
  const file = await open(t, path, false, false);
  t.is(file.alignment, 1);
  t.is(flagsOf(file.descriptor) & O_DIRECT, 0);
});

test('a file shorter than a sector is open for direct I/O too', async (t) => {
  const folder = tempFolder(t);
  const path = join(folder, 'disk');
  writeFileSync(path, 'x'.repeat(100));
  const file = await open(t, path, false, true);
  t.is(file.size, 100);
  t.true([1, 512, 4096].includes(file.alignment));
});

test('an empty file takes what a full one takes', async (t) => {
  for (const base of [undefined, TMPFS]) {
    const folder = tempFolder(t, base);
    writeFileSync(join(folder, 'empty'), '');
    writeFileSync(join(folder, 'full'), pattern(65536, 1));
    const full = await open(t, join(folder, 'full'), false, true);
    t.is((await open(t, join(folder, 'empty'), false, true)).alignment, full.alignment);
  }
});

test('size, room taken, mode and time are the file’s', async (t) => {
  const path = join(tempFolder(t), 'disk');
  writeFileSync(path, pattern(4096, 1));
  truncateSync(path, 1 << 30);
  chmodSync(path, 0o4751);
  utimesSync(path, 1_700_000_000, 1_700_000_000.5);
  const file = await open(t, path, false, true);
  t.is(file.size, 1_073_741_824);
  t.true(file.allocated >= 4096 && file.allocated < 1 << 20, `${file.allocated}`);
  t.is(file.mode, 0o640);
  t.deepEqual(file.times.modified, { seconds: 1_700_000_000, nanoseconds: 500_000_000 });
});

for (const [readOnly, access] of [
  [true, 0],
  [false, 2],
] as const) {
  test(`with readOnly ${readOnly} the file is open with access mode ${access}`, async (t) => {
    const path = join(tempFolder(t), 'disk');
    writeFileSync(path, pattern(4096, 1));
    for (const direct of [true, false]) {
      const { descriptor } = await open(t, path, readOnly, direct);
      t.is(flagsOf(descriptor) & ACCESS, access);
      t.is(flagsOf(descriptor) & O_CLOEXEC, O_CLOEXEC);
    }
  });
}

async function refusal(path: string, readOnly: boolean, direct: boolean): Promise<SluiceError> {
  try {
    closeSync((await openPath(path, readOnly, direct)).descriptor);
  } catch (error) {
    if (error instanceof SluiceError) return error;
    throw error;
  }
  throw new Error(`${path} was opened`);
}

test('a missing file is refused by name', async (t) => {
  for (const direct of [true, false]) {
    const error = await refusal('/nonexistent/disk', false, direct);
    t.is(error.message, '/nonexistent/disk: no such file');
    t.is(error.errno, 'ENOENT');
    t.is(error.exitCode, 1);
  }
});

test('a directory is refused for writing', async (t) => {
  const path = join(tempFolder(t), 'folder');
  mkdirSync(path);
  t.is((await refusal(path, false, true)).message, `${path}: a directory, not an image`);
});

test('a file that is replaced while it is opened is not the one that is used', async (t) => {
  const folder = tempFolder(t, TMPFS);
  const path = join(folder, 'disk');
  writeFileSync(path, 'x'.repeat(1000));
  const source = new FileSource(path);
  t.teardown(() => source.close());
  t.notThrows(() => source.checkName());
  writeFileSync(join(folder, 'other'), 'y'.repeat(5000));
  renameSync(join(folder, 'other'), path);
  const file = await openHostFile(source, false, true);
  t.teardown(() => closeSync(file.descriptor));
  t.is(file.size, 1000);
  const error = t.throws(() => source.checkName(), { instanceOf: SluiceError });
  t.is(error?.message, `${path}: was replaced while it was opened; try again`);
  t.is(error?.exitCode, 1);
});

test.serial('a refused file leaves no descriptor behind', async (t) => {
  const probe = () => closeAndReturn(join(tempFolder(t), 'probe'));
  const before = await probe();
  for (let i = 0; i < 3; i++) await refusal('/nonexistent/disk', false, true);
  t.is(await probe(), before);
});

async function closeAndReturn(path: string): Promise<number> {
  writeFileSync(path, 'x');
  const { descriptor } = await openPath(path, true, false);
  closeSync(descriptor);
  return descriptor;
}

/** The error that another user gets when opening a file, as `errno message`. */
function asNobody(path: string, readOnly: boolean): string {
  const [hostFile, source] = ['../../src/server/host-file.js', '../../src/image/source.js'].map(
    (module) => JSON.stringify(fileURLToPath(new URL(module, import.meta.url))),
  );
  const script =
    `Promise.all([import(${hostFile}), import(${source})])` +
    `.then(([m, s]) => m.openHostFile(new s.FileSource(${JSON.stringify(path)}), ${readOnly}, true))` +
    `.then(() => console.log('opened'), (e) => console.log(e.errno + ' ' + e.message))`;
  const words = [
    '--reuid=65534',
    '--regid=65534',
    '--clear-groups',
    process.execPath,
    '-e',
    script,
  ];
  return spawnSync('setpriv', words, { encoding: 'utf8' }).stdout.trim();
}

const rootTest = requires('root', 'setpriv');

rootTest('a file that may not be written says what to do', (t) => {
  const folder = tempFolder(t);
  chmodSync(folder, 0o755);
  const path = join(folder, 'disk');
  writeFileSync(path, pattern(4096, 1), { mode: 0o644 });
  t.is(asNobody(path, false), `EACCES ${path}: no permission to write it; use --read-only`);
  t.is(asNobody(path, true), 'opened');
});

rootTest('a file that may not be read is not said to lack --read-only', (t) => {
  const folder = tempFolder(t);
  chmodSync(folder, 0o755);
  const path = join(folder, 'disk');
  writeFileSync(path, pattern(4096, 1), { mode: 0o600 });
  const answer = asNobody(path, true);
  t.regex(answer, /^EACCES .*permission/);
  t.notRegex(answer, /--read-only/);
});

requires('root', 'loop')(
  'a block device has the size of its device and takes whole sectors',
  async (t) => {
    const path = join(tempFolder(t), 'disk');
    writeFileSync(path, pattern(1 << 20, 1));
    const device = await loopDevice(t, path);
    const file = await open(t, device, false, true);
    t.true(file.blockDevice);
    t.is(file.size, 1_048_576);
    t.is(file.allocated, 1_048_576);
    t.true(file.alignment === 512 || file.alignment === 4096);
    t.false(file.inMemory);
  },
);
