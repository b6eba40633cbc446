import {
  closeSync,
  openSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import {
  emptyCacheFile,
  endCacheFile,
  type OpenCache,
  openCacheFile,
} from '../../src/host/cache-file.js';
import { cacheLayout } from '../../src/host/cache-layout.js';
import type { HostFile } from '../../src/host/host-file.js';
import { SluiceError } from '../../src/util/errors.js';
import { MIB, tempFolder } from '../helpers/temp.js';

const SIZE = 3 * MIB + 512;
const LAYOUT = cacheLayout(SIZE);
const BOOT_AT = 36;
const SIZE_AT = 24;

/** An export of bytes. */
class Export {
  readonly path = 'nbd://server/disk';
  identity = 'nbd server:10809 disk';
  bytes = new Uint8Array(SIZE).fill(7);
  syncs = 0;

  get size(): number {
    return this.bytes.length;
  }

  read(offset: number, length: number): Uint8Array {
    return this.bytes.slice(offset, offset + length);
  }

  edit() {
    return { sync: () => void this.syncs++ };
  }
}

/** Opens and closes the cache of an export, and says what became of it. */
function makeOpener(t: ExecutionContext, path = join(tempFolder(t), 'cache')) {
  const one = new Export();
  const warnings: string[] = [];
  const open = (): OpenCache =>
    openCacheFile(path, one as unknown as HostFile, (text) => warnings.push(text));
  /** Puts a block into it, and ends it in this way. */
  const use = async (block: number, end: (descriptor: number) => unknown = endCacheFile) => {
    const { cache, file } = open();
    const at = LAYOUT.data + block * 4096;
    const data = one.read(block * 4096, 4096);
    writeSync(cache.descriptor, data, 0, data.length, at);
    writeSync(cache.descriptor, Uint8Array.of(1 << (block & 7)), 0, 1, LAYOUT.bits + (block >> 3));
    await end(cache.descriptor);
    file.close();
  };
  /** What is in the byte of bits with this block. */
  const bits = (block: number): number => {
    open().file.close();
    return readFileSync(path)[LAYOUT.bits + (block >> 3)]!;
  };
  const refused = (): string => {
    const error = t.throws(open, { instanceOf: SluiceError });
    t.is(error?.exitCode, 3);
    return error!.message.replace(path, 'FILE');
  };
  const change = (at: number, byte: number): void => {
    const descriptor = openSync(path, 'r+');
    writeSync(descriptor, Uint8Array.of(byte), 0, 1, at);
    closeSync(descriptor);
  };
  return { path, one, warnings, open, use, bits, refused, change };
}

test('a cache is made for its owner alone, and kept after a clean end', async (t) => {
  const { path, one, warnings, use, bits } = makeOpener(t);
  await use(0);
  t.is(statSync(path).mode & 0o777, 0o600);
  t.is(statSync(path).size, LAYOUT.fileSize);
  t.is(bits(0), 1);
  // The last block, of 512 bytes.
  await use(LAYOUT.blocks - 1);
  t.is(bits(LAYOUT.blocks - 1), 1);
  t.is(bits(0), 1);
  t.deepEqual(warnings, []);
  t.true(one.syncs >= 4);
});

test('it is kept after a kill, and not after the machine went down', async (t) => {
  const { warnings, use, bits, change, path } = makeOpener(t);
  await use(100, () => {});
  t.is(bits(100), 16);
  t.deepEqual(warnings, []);
  change(BOOT_AT, 'x'.charCodeAt(0));
  t.is(bits(100), 0);
  const what = 'the machine went down while it was in use, so the cache begins anew';
  t.deepEqual(warnings, [`${path}: ${what}`]);
  await use(100);
  change(BOOT_AT, 'x'.charCodeAt(0));
  t.is(bits(100), 16);
  t.is(warnings.length, 1);
});

test('it begins anew with an export of another size, or with other bytes', async (t) => {
  const { warnings, use, bits, one } = makeOpener(t);
  await use(2);
  await use(LAYOUT.blocks - 1);
  one.bytes = one.bytes.slice(0, SIZE - 512);
  t.is(bits(2), 0);
  t.regex(warnings[0]!, /the export has 3145728 bytes now, and had 3146240, so .* anew$/);
  one.bytes = new Uint8Array(SIZE).fill(7);
  for (const block of [2, 256, LAYOUT.blocks - 1]) {
    bits(0);
    await use(block);
    t.not(bits(block), 0);
    one.bytes[block * 4096 + 100] = 8;
    const { length } = warnings;
    t.is(bits(block), 0);
    t.is(warnings.length, length + 1);
    t.regex(warnings.at(-1)!, /the export was changed without it/);
  }
  // Bytes that nobody looks at.
  await use(200);
  one.bytes[200 * 4096] = 8;
  t.is(bits(200), 1);
});

test('what is no cache of this export is refused', async (t) => {
  const { path, use, one, refused, change } = makeOpener(t);
  const remedy = 'name another file, or remove it';
  await use(1);
  one.identity = 'nbd server:10809 other';
  t.is(refused(), `FILE: is the cache of nbd server:10809 disk; ${remedy}`);
  one.identity = 'nbd server:10809 disk';
  change(SIZE_AT, 1);
  t.is(refused(), `FILE: is a damaged cache; ${remedy}`);
  change(SIZE_AT, 0);
  truncateSync(path, LAYOUT.data);
  t.is(refused(), `FILE: is a damaged cache; ${remedy}`);
  writeFileSync(path, 'my diary');
  t.is(refused(), `FILE: is no cache of an NBD export; ${remedy}`);
  // A disk without anything on it.
  writeFileSync(path, new Uint8Array(MIB));
  t.is(refused(), `FILE: is no cache of an NBD export; ${remedy}`);
  t.is(statSync(path).size, MIB);
});

test('what is no file is refused', (t) => {
  const folder = tempFolder(t);
  for (const path of [folder, '/dev/null']) {
    const { refused } = makeOpener(t, path);
    t.regex(refused(), /^FILE: is no regular file, as a cache is; name a new one$/);
  }
});

test('nobody else opens it meanwhile', (t) => {
  const { open, refused } = makeOpener(t);
  const { file } = open();
  t.regex(refused(), /^FILE: in use for writing by /);
  file.close();
  open().file.close();
});

test('one that was given up is empty, and made again', async (t) => {
  const { path, use, bits } = makeOpener(t);
  await use(3, (descriptor) => {
    t.true(emptyCacheFile(descriptor));
    return endCacheFile(descriptor);
  });
  t.is(statSync(path).size, 0);
  t.is(bits(3), 0);
  await use(3);
  t.is(bits(3), 8);
});

test('a place where no file can be made is told', (t) => {
  const { open } = makeOpener(t, '/nowhere/cache');
  const error = t.throws(open, { instanceOf: SluiceError });
  t.is(error?.message, '/nowhere/cache: cannot be made: there is no such folder');
  const large = makeOpener(t);
  const huge = { ...large.one, size: 2 ** 43, path: 'nbd://server/disk' } as unknown as HostFile;
  t.throws(() => openCacheFile(large.path, huge, () => {}), {
    message: 'nbd://server/disk: a cache is for exports of at most 4 TiB',
  });
});
