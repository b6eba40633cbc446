import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import test, { type ExecutionContext } from 'ava';
import { openChain } from '../../../src/image/open-chain.js';
import { SluiceError } from '../../../src/util/errors.js';
import { Maker } from '../../../tools/lib/image-maker.js';
import { bgzf, block, seekable, xzBlocks } from '../../../tools/lib/packed-maker.js';
import { qemuMountTest } from '../../formats/needs.js';
import { mapOfImage, readImage } from '../../helpers/read-image.js';
import { sameBytes } from '../../helpers/same-bytes.js';
import { withMount } from '../../helpers/sluice-mount.js';
import { pattern, TMPFS, tempFolder } from '../../helpers/temp.js';

const MIB = 1 << 20;
const AUTO = { format: 'auto', backingFormats: [], snapshot: null };

/** Noise and text, of an odd size. */
function makeContent(size: number): Buffer {
  const content = pattern(size, 1);
  content.fill('compressible ', size >> 1);
  return content;
}

function padded(content: Buffer): Buffer {
  return Buffer.concat([content, Buffer.alloc((512 - (content.length % 512)) % 512)]);
}

function makeFolder(t: ExecutionContext): (name: string, bytes: Buffer) => string {
  const folder = tempFolder(t, TMPFS);
  return (name, bytes) => {
    writeFileSync(join(folder, name), bytes);
    return join(folder, name);
  };
}

function refuses(t: ExecutionContext, path: string, says: RegExp): void {
  const error = t.throws(() => openChain(path, AUTO).close(), { instanceOf: SluiceError });
  t.regex(error?.message ?? '', says);
  t.is(error?.exitCode, 3);
}

const hasZstd = spawnSync('zstd', ['--version']).status === 0;
const zstdTest = hasZstd ? test : test.skip;
const hasXz = spawnSync('xz', ['--version']).status === 0;
const xzTest = hasXz ? test : test.skip;

test('blocked gzip reads as gzip unpacks it, block by block', async (t) => {
  const write = makeFolder(t);
  for (const size of [1, 511, 512, 0xff00, 0xff01, MIB + 77]) {
    const content = makeContent(size);
    const path = write('a.img.gz', bgzf(content));
    t.true(execFileSync('gzip', ['-dc', path], { maxBuffer: 2 * MIB }).equals(content));
    sameBytes(t, await readImage(path), padded(content));
  }
  const empty = write('empty.gz', bgzf(Buffer.alloc(0)));
  t.is((await readImage(empty)).length, 0);
});

test('a part of blocked gzip reads alone, over the borders of blocks', async (t) => {
  const content = makeContent(300_000);
  const path = makeFolder(t)('a.gz', bgzf(content, 1000));
  for (const [from, length] of [
    [0, 1],
    [999, 2],
    [123_456, 5000],
    [299_990, 10],
  ] as const) {
    const part = await readImage(path, { from, length });
    sameBytes(t, part, content.subarray(from, from + length));
  }
  t.like(mapOfImage(path), [{ start: 0, compressed: true, data: true, offset: null }]);
});

test('other fields and empty blocks may come between', async (t) => {
  const [one, two] = [pattern(700, 1), pattern(900, 2)];
  const bytes = [block(one, 'XY\x03\x00abc'), block(Buffer.alloc(0)), block(two)];
  const path = makeFolder(t)('a.gz', Buffer.concat([...bytes, block(Buffer.alloc(0))]));
  sameBytes(t, await readImage(path), padded(Buffer.concat([one, two])));
});

test('gzip that is cut off, damaged, or one stream', async (t) => {
  const write = makeFolder(t);
  const bytes = bgzf(makeContent(200_000));
  refuses(t, write('a.gz', bytes.subarray(0, -40)), /a\.gz: the file is cut off$/);
  refuses(
    t,
    write('a.gz', Buffer.concat([bytes, Buffer.from('x')])),
    /it has no block at \d+, where/,
  );
  const stream = write('disk.img.gz', gzipSync(makeContent(1000)));
  refuses(
    t,
    stream,
    /one stream of gzip: no part of it can be read alone; "gzip -dc \S*disk\.img\.gz \| bgzip > \S*disk\.img\.bgzf\.gz" makes one that can \(bgzip: /,
  );
  const unmarked = openChain(write('a.gz', bytes.subarray(0, -28)), AUTO);
  t.deepEqual(unmarked.layers[0]!.image.describe().problems, [
    'the mark of its end is missing: it may be cut off',
  ]);
  unmarked.close();
  const damaged = Buffer.from(bytes);
  damaged[1000]! ^= 1;
  const path = write('a.gz', damaged);
  await t.throwsAsync(readImage(path, { length: 1 }), { message: /^errno 5 / });
  t.is((await readImage(path, { from: 0xff00, length: 1000 })).length, 1000);
});

zstdTest('seekable Zstandard reads as zstd unpacks it', async (t) => {
  const write = makeFolder(t);
  for (const [size, length, hasChecksums] of [
    [1, 100, false],
    [MIB + 77, 100_000, true],
    [3 * MIB, 2 * MIB, false],
  ] as const) {
    const content = makeContent(size);
    const path = write('a.zst', seekable(content, length, hasChecksums));
    const unpacked = execFileSync('zstd', ['-qdc', path], { maxBuffer: 4 * MIB });
    t.true(unpacked.equals(content));
    sameBytes(t, await readImage(path), padded(content));
    const from = size >> 1;
    sameBytes(t, await readImage(path, { from, length: 1 }), content.subarray(from, from + 1));
  }
});

zstdTest('Zstandard without a table, with a wrong one, or with large frames', async (t) => {
  const write = makeFolder(t);
  const content = makeContent(100_000);
  const plain = execFileSync('zstd', ['-q', '-c'], { input: content });
  refuses(
    t,
    write('a.zst', plain),
    /Zstandard without a seek table: .*"zstd -dc \S*a\.zst \| bgzip/,
  );
  const bytes = seekable(content, 10_000);
  const table = 8 + 10 * 8 + 9;
  for (const [at, value] of [
    [-table, 1],
    [-table + 4, 1],
    [-table + 8, 1],
    [-9, 200],
    [-5, 4],
  ] as const) {
    const copy = Buffer.from(bytes);
    copy[copy.length + at]! ^= value;
    refuses(t, write('a.zst', copy), /its seek table does not fit the file/);
  }
  refuses(t, write('a.zst', bytes.subarray(0, -20)), /without a seek table/);
  const large = write('b.zst', seekable(Buffer.alloc(5 * MIB), 5 * MIB));
  refuses(t, large, /it has frames of more than 4 MiB; pack it with smaller ones$/);
  const damaged = Buffer.from(bytes);
  damaged[5000]! ^= 0xff;
  await t.throwsAsync(readImage(write('a.zst', damaged)), { message: /^errno 5 / });
});

xzTest('xz in blocks reads as xz unpacks it, with each check', async (t) => {
  const write = makeFolder(t);
  for (const [size, length, check] of [
    [1, 100, 'none'],
    [100_000, 3000, 'crc32'],
    [MIB + 77, 100_000, 'crc64'],
    [MIB + 77, MIB, 'sha256'],
  ] as const) {
    const content = makeContent(size);
    const path = write('a.img.xz', xzBlocks(content, length, check));
    t.true(execFileSync('xz', ['-dc', path], { maxBuffer: 4 * MIB }).equals(content));
    sameBytes(t, await readImage(path), padded(content));
    const from = size >> 1;
    sameBytes(t, await readImage(path, { from, length: 1 }), content.subarray(from, from + 1));
    t.like(mapOfImage(path), [{ start: 0, compressed: true, data: true, offset: null }]);
  }
});

xzTest('several files of xz in one, with sizes in the headers of blocks', async (t) => {
  const [one, two] = [makeContent(70_000), makeContent(1000)];
  const bytes = Buffer.concat([
    xzBlocks(one, 9000, 'crc64', 2),
    Buffer.alloc(8),
    xzBlocks(two, 300, 'none'),
  ]);
  const path = makeFolder(t)('a.xz', bytes);
  sameBytes(t, await readImage(path), padded(Buffer.concat([one, two])));
});

xzTest('xz of one large block, with other filters, cut off, or damaged', async (t) => {
  const write = makeFolder(t);
  const whole = write('disk.img.xz', xzBlocks(Buffer.alloc(5 * MIB), 5 * MIB, 'crc32'));
  const command =
    /"xz -dc \S*disk\.img\.xz \| xz -T0 --block-size=1MiB > \S*disk\.img\.blocks\.xz"/;
  refuses(t, whole, /it is one block of xz: no part of it can be read alone/);
  refuses(t, whole, command);
  const large = write('disk.img.xz', xzBlocks(Buffer.alloc(11 * MIB), 5 * MIB, 'crc32'));
  refuses(t, large, /it has blocks of xz of more than 4 MiB/);
  refuses(t, large, command);
  const input = makeContent(1000);
  refuses(
    t,
    write('a.xz', execFileSync('xz', ['-c', '--x86', '--lzma2'], { input })),
    /other filters/,
  );
  const bytes = xzBlocks(makeContent(200_000), 50_000, 'sha256');
  refuses(t, write('a.xz', bytes.subarray(0, -4)), /it may be cut off$/);
  const damaged = Buffer.from(bytes);
  damaged[1000]! ^= 1;
  const path = write('a.xz', damaged);
  await t.throwsAsync(readImage(path, { length: 1 }), { message: /^errno 5 / });
  t.is((await readImage(path, { from: 50_000, length: 1000 })).length, 1000);
});

qemuMountTest('packed images are mounted, and written over', async (t) => {
  const maker = new Maker(tempFolder(t, TMPFS));
  const content = makeContent(MIB);
  writeFileSync(maker.path('a.gz'), bgzf(content));
  const files = [`g=${maker.path('a.gz')}`];
  if (hasZstd) {
    writeFileSync(maker.path('b.zst'), seekable(content, 200_000));
    files.push(`z=${maker.path('b.zst')}`);
  }
  if (hasXz) {
    writeFileSync(maker.path('c.xz'), xzBlocks(content, 200_000, 'sha256'));
    files.push(`x=${maker.path('c.xz')}`);
  }
  await withMount(t, files, ['--read-only'], async (mount) => {
    for (const file of files) sameBytes(t, readFileSync(mount.file(file[0])), content);
  });
  const overlay = maker.path('over.qcow2');
  await withMount(t, [files[0]!], ['--overlay', overlay], async (mount) => {
    writeFileSync(mount.file('g'), Buffer.from('new'), { flag: 'r+' });
    content.write('new');
    sameBytes(t, readFileSync(mount.file('g')), content);
  });
});
