import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  closeSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import test, { type ExecutionContext } from 'ava';
import { LocalFile } from '../../src/host/local-file.js';
import type { ServedFile } from '../../src/host/served-file.js';
import { F_DUPFD_CLOEXEC } from '../../src/sys/constants.js';
import { fcntl } from '../../src/sys/libc.js';
import { isLocked, unlockAll } from '../../src/sys/ofd-locks.js';
import { SluiceError } from '../../src/util/errors.js';
import { requires } from '../helpers/requires.js';
import { pattern, TMPFS, tempFolder } from '../helpers/temp.js';

// Of linux/fcntl.h.
const F_SETLEASE = 1024;
const F_WRLCK = 1;

/** Opens a file for one test in the form that the data plane gets. */
function open(t: ExecutionContext, path: string, readOnly: boolean, direct: boolean): ServedFile {
  const file = new LocalFile(path);
  t.teardown(() => file.close());
  return file.serve({ readOnly, directBlock: direct ? 4096 : 0 });
}

function refusal(
  t: ExecutionContext,
  path: string,
  readOnly: boolean,
  direct: boolean,
): SluiceError {
  try {
    open(t, path, readOnly, direct);
  } catch (error) {
    if (error instanceof SluiceError) return error;
    throw error;
  }
  throw new Error(`${path} was opened`);
}

test('a missing file is refused by name', (t) => {
  for (const direct of [true, false]) {
    const error = refusal(t, '/nonexistent/disk', false, direct);
    t.is(error.message, '/nonexistent/disk: no such file');
    t.is(error.errno, 'ENOENT');
    t.is(error.exitCode, 1);
  }
});

test.serial('a file on which another program has a lease is in use, with exit code 3', (t) => {
  const path = join(tempFolder(t, TMPFS), 'disk');
  writeFileSync(path, 'x');
  const descriptor = openSync(path, 'r+');
  t.teardown(() => closeSync(descriptor));
  // The kernel asks the holder by this signal to give the lease up.
  const ignore = (): void => {};
  process.on('SIGIO', ignore);
  t.teardown(() => process.off('SIGIO', ignore));
  t.is(fcntl(descriptor, F_SETLEASE, F_WRLCK), 0);
  const error = refusal(t, path, true, false);
  t.is(error.message, `${path}: in use: another program has a lease on it; try again in a minute`);
  t.is(error.exitCode, 3);
});

test('a directory is refused for writing', (t) => {
  const path = join(tempFolder(t), 'folder');
  mkdirSync(path);
  t.is(refusal(t, path, false, true).message, `${path}: a directory, not an image`);
});

test('a file that is replaced while it is opened is not the one that is used', (t) => {
  const folder = tempFolder(t, TMPFS);
  const path = join(folder, 'disk');
  writeFileSync(path, 'x'.repeat(1000));
  const source = new LocalFile(path);
  t.teardown(() => source.close());
  t.notThrows(() => source.checkName());
  writeFileSync(join(folder, 'other'), 'y'.repeat(5000));
  renameSync(join(folder, 'other'), path);
  const file = source.serve({ readOnly: false, directBlock: 4096 });
  t.is(file.size, 1000);
  const error = t.throws(() => source.checkName(), { instanceOf: SluiceError });
  t.is(error?.message, `${path}: was replaced while it was opened; try again`);
  t.is(error?.exitCode, 1);
});

test.serial('a refused file leaves no descriptor behind', (t) => {
  const probe = () => closeAndReturn(join(tempFolder(t), 'probe'));
  const before = probe();
  for (let i = 0; i < 3; i++) refusal(t, '/nonexistent/disk', false, true);
  t.is(probe(), before);
});

test.serial('an error of close(2) is none of the file', (t) => {
  const path = join(tempFolder(t), 'disk');
  writeFileSync(path, 'x');
  const file = new LocalFile(path);
  // Files of a dead mount answer ENOTCONN; here it is EBADF.
  closeSync(file.descriptor);
  t.notThrows(() => file.close());
});

function closeAndReturn(path: string): number {
  writeFileSync(path, 'x');
  const file = new LocalFile(path);
  const { descriptor } = file.serve({ readOnly: true, directBlock: 0 });
  file.close();
  return descriptor;
}

/** The error that another user gets when opening a file, as `errno message`. */
function asNobody(path: string, readOnly: boolean): string {
  const module = fileURLToPath(new URL('../../src/host/local-file.js', import.meta.url));
  const script =
    `import(${JSON.stringify(module)})` +
    `.then((m) => new m.LocalFile(${JSON.stringify(path)}).serve({ readOnly: ${readOnly}, directBlock: 4096 }))` +
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

test('what the kernel was given stays locked when the file is unlocked, until it is closed', (t) => {
  const path = join(tempFolder(t), 'disk.img');
  writeFileSync(path, pattern(4096, 1));
  // QEMU's byte for "I write this image".
  const isHeld = (): boolean => {
    const fd = openSync(path, 'r');
    const held = isLocked(fd, 101, 1);
    closeSync(fd);
    return held;
  };
  for (const isForKernel of [false, true]) {
    const file = new LocalFile(path);
    file.lock(true);
    file.serve({ readOnly: false, directBlock: 0 });
    if (isForKernel) file.serveKernel();
    t.true(isHeld());
    for (const descriptor of file.unlockable) unlockAll(descriptor);
    t.is(isHeld(), isForKernel);
    file.close();
    t.false(isHeld());
  }
});

test('locks go from one holder to the next without a moment in which they are free', (t) => {
  const path = join(tempFolder(t, TMPFS), 'disk.img');
  writeFileSync(path, pattern(4096, 1));
  const lock = (...kept: [] | [LocalFile['hold']]): LocalFile => {
    const file = new LocalFile(path);
    t.teardown(() => file.close());
    try {
      file.lock(true, ...kept);
    } catch (error) {
      // What it has locked is in the way of the next one.
      file.close();
      throw error;
    }
    return file;
  };
  const refused = (): void => {
    const error = t.throws(() => lock(), { instanceOf: SluiceError });
    t.is(error?.errno, 'EAGAIN');
  };
  const one = lock();
  // As a process that is started inherits it.
  const { descriptor, ...about } = one.hold!;
  const memory = one.keepMemory(4096);
  writeSync(memory, 'left');
  const copy = (one: number): number => fcntl(one, F_DUPFD_CLOEXEC, 0);
  const kept = { ...about, descriptor: copy(descriptor), memory: copy(memory) };
  const two = lock(kept);
  two.serve({ readOnly: false, directBlock: 0 });
  refused();
  one.close();
  refused();
  t.is(two.hold?.descriptor, kept.descriptor);
  t.is(readFileSync(`/proc/self/fd/${two.keepMemory(4096)}`, 'latin1').slice(0, 5), 'left\0');
  two.close();
  lock();
});

test('a file that is held is opened without its name, with as many descriptors as before', (t) => {
  const path = join(tempFolder(t, TMPFS), 'disk.img');
  writeFileSync(path, pattern(4096, 1));
  const one = new LocalFile(path);
  t.teardown(() => one.close());
  one.lock(true);
  const hold = { ...one.hold!, descriptor: fcntl(one.hold!.descriptor, F_DUPFD_CLOEXEC, 0) };
  renameSync(path, `${path}.away`);
  writeFileSync(path, 'another file');
  const two = new LocalFile(path, hold);
  t.teardown(() => two.close());
  two.lock(true, hold);
  two.checkName();
  t.is(two.identity, one.identity);
  t.false(two.isAt(path));
  t.deepEqual(Buffer.from(two.read(0, 4096)), Buffer.from(pattern(4096, 1)));
  t.is(two.descriptors.length, one.descriptors.length);
  one.close();
  const other = new LocalFile(`${path}.away`);
  t.throws(() => other.lock(true), { instanceOf: SluiceError });
  other.close();
});

const IN_WORKER = `
const { parentPort, workerData } = require('node:worker_threads');
import(workerData.module).then(({ LocalFile }) => {
  const file = new LocalFile(workerData.path);
  file.close();
  parentPort.once('message', () => parentPort.close());
  parentPort.postMessage(file.descriptor);
});
`;

test.serial(
  "a worker thread that ends closes no descriptor that is somebody else's by then",
  async (t) => {
    const path = join(tempFolder(t), 'disk.img');
    writeFileSync(path, Buffer.alloc(512));
    const { href: module } = new URL('../../src/host/local-file.js', import.meta.url);
    const worker = new Worker(IN_WORKER, { eval: true, workerData: { module, path } });
    const [descriptor] = await once(worker, 'message');
    const opened: number[] = [];
    while (!opened.includes(descriptor) && opened.length < 100) opened.push(openSync(path, 'r'));
    t.true(opened.includes(descriptor));
    worker.postMessage('end');
    await once(worker, 'exit');
    for (const one of opened) t.notThrows(() => closeSync(one));
  },
);
