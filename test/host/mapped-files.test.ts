import { closeSync, fstatSync, ftruncateSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { MappedFiles } from '../../src/host/mapped-files.js';
import { fallocateNow } from '../../src/sys/libc.js';
import { readMemory } from '../../tools/vopr/sim-pages.js';
import { pattern, TMPFS, tempFolder } from '../helpers/temp.js';

const KIB = 1024;
const MIB = 1024 * KIB;
const PUNCH_HOLE_KEEP_SIZE = 3;
const MOST = 64 * MIB;

/** A file of 130 MiB in memory, with data at the end of its first 64 MiB and at the beginning of the next; its handle is 4. */
function rig(t: ExecutionContext, most = MOST) {
  const descriptor = openSync(join(tempFolder(t, TMPFS), 'file'), 'w+');
  t.teardown(() => closeSync(descriptor));
  ftruncateSync(descriptor, 130 * MIB);
  writeSync(descriptor, pattern(4 * MIB, 1), 0, 4 * MIB, 62 * MIB);
  const files = new MappedFiles(most);
  files.add(4, { descriptor, inMemory: true });
  t.teardown(() => files.remove(4));
  const bytesAt = (address: number, length: number): Buffer => {
    const bytes = Buffer.alloc(length);
    readMemory(address, bytes);
    return bytes;
  };
  return { files, descriptor, bytesAt, allocated: () => fstatSync(descriptor).blocks * 512 };
}

test('what is there is read in place, at any byte', (t) => {
  const { files, bytesAt } = rig(t);
  for (const [offset, length] of [
    [62 * MIB, 4096],
    [63 * MIB + 513, 100_000],
    [64 * MIB - 1, 1],
    [64 * MIB, MIB],
    [66 * MIB - 512, 512],
  ] as const) {
    const address = files.addressOf(4, offset, length);
    t.true(address > 0, `${offset}`);
    const wanted = pattern(4 * MIB, 1).subarray(offset - 62 * MIB, offset - 62 * MIB + length);
    t.is(Buffer.compare(bytesAt(address, length), wanted), 0, `${offset}`);
  }
  t.is(files.addressOf(4, 64 * MIB - 512, 1024), 0, 'in two mappings');
});

test('a hole is not read in place, and so stays one', (t) => {
  const { files, allocated } = rig(t);
  for (const offset of [0, 62 * MIB - 4096, 66 * MIB, 66 * MIB - 2048, 130 * MIB - 4096]) {
    t.is(files.addressOf(4, offset, 4096), 0, `${offset}`);
  }
  t.is(allocated(), 4 * MIB);
});

test('nothing is read in place behind the end, in files on a disk, and in files that are gone', (t) => {
  const { files, descriptor } = rig(t);
  t.is(files.addressOf(4, 130 * MIB, 4096), 0);
  t.is(files.addressOf(4, 2 ** 50, 4096), 0);
  files.add(5, { descriptor, inMemory: false });
  t.is(files.addressOf(5, 64 * MIB, 4096), 0);
  t.true(files.addressOf(4, 64 * MIB, 4096) > 0);
  t.is(files.bytes, 256 * KIB, 'as many as the kernel was asked for at a time');
  files.remove(4);
  t.is(files.addressOf(4, 64 * MIB, 4096), 0);
  t.is(files.bytes, 0);
});

test('a page that is written to a hole is read in place from then on', (t) => {
  const { files, descriptor, bytesAt } = rig(t);
  t.is(files.addressOf(4, 8192, 8192), 0);
  const content = pattern(8192, 7);
  writeSync(descriptor, content, 0, 8192, 8192);
  t.is(files.addressOf(4, 8192, 8192), 0, 'nobody has told of it');
  files.written(4, 8192, 8192);
  t.is(Buffer.compare(bytesAt(files.addressOf(4, 8192, 8192), 8192), content), 0);
  t.is(files.addressOf(4, 16_384, 4096), 0);
});

test('a page that is taken away is a hole again, and nothing is read in place meanwhile', (t) => {
  const { files, descriptor, allocated } = rig(t);
  t.true(files.addressOf(4, 64 * MIB, MIB) > 0);
  const before = files.bytes;
  files.takes(9, 4, 64 * MIB, 64 * KIB);
  t.is(files.addressOf(4, 65 * MIB, 4096), 0, 'elsewhere in the file, too');
  t.is(fallocateNow(descriptor, PUNCH_HOLE_KEEP_SIZE, 64 * MIB, 64 * KIB), 0);
  files.ended(8);
  t.is(files.addressOf(4, 65 * MIB, 4096), 0, 'another request has ended');
  files.ended(9);
  t.is(files.bytes, before - 64 * KIB);
  t.true(files.addressOf(4, 65 * MIB, 4096) > 0);
  t.is(files.addressOf(4, 64 * MIB, 4096), 0);
  t.is(allocated(), 4 * MIB - 64 * KIB);
});

test('a file that becomes shorter and longer again has no pages there', (t) => {
  const { files, descriptor, allocated } = rig(t);
  t.true(files.addressOf(4, 65 * MIB, 4096) > 0);
  files.takes(9, 4, 63 * MIB, Number.POSITIVE_INFINITY);
  ftruncateSync(descriptor, 63 * MIB);
  ftruncateSync(descriptor, 130 * MIB);
  files.ended(9);
  t.is(files.addressOf(4, 65 * MIB, 4096), 0);
  t.is(allocated(), MIB);
});

test('what another program has taken away is forgotten when that is known', (t) => {
  const { files, descriptor } = rig(t);
  t.true(files.addressOf(4, 65 * MIB, 4096) > 0);
  ftruncateSync(descriptor, 63 * MIB);
  files.forgetAll();
  t.is(files.bytes, 0);
  t.is(files.addressOf(4, 65 * MIB, 4096), 0);
});

test('no more pages are read in place than the process may have', (t) => {
  const { files } = rig(t, 256 * KIB);
  t.true(files.addressOf(4, 64 * MIB, 4096) > 0);
  t.is(files.bytes, 256 * KIB);
  t.is(files.addressOf(4, 65 * MIB, 4096), 0);
  t.true(files.addressOf(4, 64 * MIB + 64 * KIB, 4096) > 0);
});
