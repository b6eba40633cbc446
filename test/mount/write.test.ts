import { constants, mkdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { ERRNO } from '../../src/util/errno.js';
import { FileAgent } from '../helpers/file-agent.js';
import { mountTest } from '../helpers/requires.js';
import { run } from '../helpers/run.js';
import { sameBytes } from '../helpers/same-bytes.js';
import { type SluiceMount, withMount } from '../helpers/sluice-mount.js';
import { MIB, pattern, patternFile, sparseFile, tempFolder } from '../helpers/temp.js';
import { warmSluice } from '../helpers/warm.js';

const { O_RDONLY, O_RDWR, O_DIRECT, O_TRUNC } = constants;

/** A mounted image of 4 MiB, open in a process of its own. */
interface Opened {
  agent: FileAgent;
  fd: number;
  /** The host file, and the file in the mount. */
  image: string;
  path: string;
  mount: SluiceMount;
}

type Use = (t: ExecutionContext, file: Opened) => Promise<void>;

/** Tests uses in one mount, because mounting takes most of a test's time. Each has an image of its own. */
async function withFiles(
  t: ExecutionContext,
  words: readonly string[],
  uses: Readonly<Record<string, Use>>,
  flags = O_RDWR,
): Promise<void> {
  const folder = tempFolder(t);
  const images = Object.keys(uses).map((_, i) => patternFile(join(folder, `d${i}.img`), 4 * MIB));
  const agent = new FileAgent(t);
  await withMount(t, images, words, async (mount) => {
    for (const [index, [title, use]] of Object.entries(uses).entries()) {
      t.log(title);
      const path = mount.file(`d${index}`);
      const fd = await agent.open(path, title.includes('O_DIRECT') ? flags | O_DIRECT : flags);
      if (fd < 0) throw new Error(`open: ${fd}`);
      await use(t, { agent, fd, image: images[index]!, path, mount });
      await agent.close(fd);
    }
  });
}

const unaligned: Use = async (t, { agent, fd, image }) => {
  const expected = pattern(MIB, 1);
  const bytes = Buffer.alloc(70_001, 'x');
  t.is(await agent.write(fd, 12_345, bytes), 70_001);
  t.is((await agent.read(fd, 12_344, 70_003)).result, 70_003);
  t.is(await agent.result({ call: 'fsync', fd }), 0);
  bytes.copy(expected, 12_345);
  t.true(readFileSync(image).subarray(0, MIB).equals(expected));
};

for (const mode of ['--direct', '--no-direct']) {
  mountTest(`a write that is not aligned changes its bytes only: ${mode}`, async (t) => {
    await withFiles(t, [mode], { plain: unaligned, 'through O_DIRECT': unaligned });
  });
}

mountTest('a write that is not aligned goes into a hole of the image', async (t) => {
  // A file system may accept any length for a direct read of a hole, but not for a write.
  const image = sparseFile(join(tempFolder(t), 'disk.img'), MIB);
  const agent = new FileAgent(t);
  await withMount(t, [image], ['--direct'], async (mount) => {
    const fd = await agent.open(mount.file(), O_RDWR);
    t.is(await agent.write(fd, 4096, Buffer.alloc(40, 'h')), 40);
    t.is(await agent.write(fd, 70_001, Buffer.alloc(5000, 'i')), 5000);
    await agent.close(fd);
  });
  const expected = Buffer.alloc(MIB).fill('h', 4096, 4136).fill('i', 70_001, 75_001);
  t.true(readFileSync(image).equals(expected));
});

mountTest('a growable image grows with writes and truncate, and shrinks', async (t) => {
  const growable: Use = async (t, { agent, fd, image, path }) => {
    t.is(await agent.write(fd, 5 * MIB, Buffer.alloc(4096, 'z')), 4096);
    t.is(await agent.size(path), 5 * MIB + 4096);
    const gap = await agent.read(fd, 4 * MIB, MIB);
    sameBytes(t, gap.bytes, Buffer.alloc(MIB));
    t.is(await agent.result({ call: 'ftruncate', fd, length: 9 * MIB }), 0);
    t.is(await agent.size(path), 9 * MIB);
    t.is(await agent.result({ call: 'ftruncate', fd, length: 2 * MIB }), 0);
    t.is(await agent.size(path), 2 * MIB);
    t.is((await agent.read(fd, 2 * MIB - 512, 4096)).result, 512);
    t.is(statSync(image).size, 2 * MIB);
  };
  await withFiles(t, ['--growable'], { growable });
});

const readOnly: Use = async (t, { agent, fd, image, path, mount }) => {
  t.is((await agent.read(fd, 0, 4096)).result, 4096);
  t.is(await agent.open(path, O_RDWR), -ERRNO.EROFS);
  const truncated = await run('truncate', ['-s', '0', path]);
  t.regex(truncated.stderr, /Read-only file system/);
  t.is(statSync(path).mode & 0o222, 0);
  // Groups do not belong to the images, so they can be changed.
  mkdirSync(join(mount.point, '.groups', 'slow'));
  t.is((await warmSluice(['set', mount.point, 'slow', 'iops=100', 'member=d0'])).code, 0);
  t.true(readFileSync(image).subarray(0, MIB).equals(pattern(MIB, 1)));
};

for (const words of [
  ['--read-only'],
  ['-o', 'ro'],
  ['--read-only', '--transport', 'fuse-native'],
]) {
  mountTest(`with ${words.join(' ')} nothing can be written`, async (t) => {
    await withFiles(t, words, { readOnly }, O_RDONLY);
  });
}

/** Zeros a range; mode 3 punches a hole. */
async function allocate(t: ExecutionContext, { agent, fd, image }: Opened, mode: number) {
  const before = statSync(image).blocks;
  const expected = readFileSync(image);
  const range = { offset: MIB - 100, length: 2 * MIB };
  t.is(await agent.result({ call: 'fallocate', fd, mode, ...range }), 0);
  expected.fill(0, range.offset, range.offset + range.length);
  t.is((await agent.read(fd, range.offset - 1, 2 * MIB + 2)).result, 2 * MIB + 2);
  t.is(await agent.result({ call: 'fsync', fd }), 0);
  t.true(readFileSync(image).equals(expected));
  // A zeroed range may keep its blocks, a hole frees them: 2 MiB are 4096 blocks of 512 bytes.
  if (mode === 3) t.true(statSync(image).blocks <= before - 4000);
}

const USES: Readonly<Record<string, Use>> = {
  async 'a write across the end is short, at the end there is no space'(
    t,
    { agent, fd, image, path },
  ) {
    const bytes = Buffer.alloc(8192, 'y');
    t.is(await agent.write(fd, 4 * MIB - 1000, bytes), 1000);
    t.is(await agent.write(fd, 4 * MIB, bytes), -ERRNO.ENOSPC);
    t.is(await agent.write(fd, 4 * MIB + 4096, bytes), -ERRNO.ENOSPC);
    t.is(await agent.size(path), 4 * MIB);
    t.is(statSync(image).size, 4 * MIB);
    t.is(readFileSync(image).toString('latin1', 4 * MIB - 1000), 'y'.repeat(1000));
  },
  async 'an image of fixed size keeps its size and bytes'(t, { agent, fd, image, mount, path }) {
    t.is(await agent.result({ call: 'ftruncate', fd, length: MIB }), -ERRNO.EPERM);
    t.is(await agent.result({ call: 'ftruncate', fd, length: 8 * MIB }), -ERRNO.EPERM);
    const truncating = await agent.open(path, O_RDWR | O_TRUNC);
    t.true(truncating >= 0, `O_TRUNC is ignored: ${truncating}`);
    await agent.close(truncating);
    t.is(await agent.size(path), 4 * MIB);
    t.is(await agent.open(join(mount.point, 'new'), O_RDWR | constants.O_CREAT), -ERRNO.EPERM);
    t.true(readFileSync(image).subarray(0, MIB).equals(pattern(MIB, 1)));
  },
  async 'what is written through a mapping is in the host file after msync'(
    t,
    { agent, fd, image },
  ) {
    const bytes = Buffer.alloc(10_000, 'm');
    t.is(await agent.result({ call: 'mapWrite', fd, offset: 5000, bytes, msync: true }), 0);
    t.is(readFileSync(image).toString('latin1', 5000, 15_000), 'm'.repeat(10_000));
    sameBytes(t, (await agent.read(fd, 5000, 10_000)).bytes, bytes);
    const later = Buffer.alloc(10_000, 'n');
    t.is(
      await agent.result({ call: 'mapWrite', fd, offset: 50_000, bytes: later, msync: false }),
      0,
    );
    t.is(await agent.result({ call: 'fsync', fd }), 0);
    t.is(readFileSync(image).toString('latin1', 50_000, 60_000), 'n'.repeat(10_000));
  },
  async 'a mapping shows what is written by write'(t, { agent, fd }) {
    const first = await agent.ask({ call: 'mapRead', fd, offset: MIB - 77, length: 200 });
    t.is(first.result, 200);
    t.deepEqual(first.bytes.subarray(0, 77), pattern(MIB, 1).subarray(MIB - 77));
    const bytes = Buffer.alloc(200, 'w');
    t.is(await agent.write(fd, MIB - 77, bytes), 200);
    const second = await agent.ask({ call: 'mapRead', fd, offset: MIB - 77, length: 200 });
    sameBytes(t, second.bytes, bytes);
  },
  'punching a hole reaches the host file': (t, file) => allocate(t, file, 3),
  'zeroing a range reaches the host file': (t, file) => allocate(t, file, 0x10),
};

mountTest(`${Object.keys(USES).length} uses of an image of fixed size, in one mount`, async (t) => {
  await withFiles(t, [], USES);
});
