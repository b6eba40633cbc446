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

/** A mounted image of 4 MiB, and a descriptor in a process of its own. */
async function withFile(
  t: ExecutionContext,
  words: readonly string[],
  use: (file: { agent: FileAgent; fd: number; image: string; mount: SluiceMount }) => Promise<void>,
  flags = O_RDWR,
): Promise<void> {
  const image = patternFile(join(tempFolder(t), 'disk.img'), 4 * MIB);
  const agent = new FileAgent(t);
  await withMount(t, [image], words, async (mount) => {
    const fd = await agent.open(mount.file(), flags);
    if (fd < 0) throw new Error(`open: ${fd}`);
    await use({ agent, fd, image, mount });
    await agent.close(fd);
  });
}

for (const mode of ['--direct', '--no-direct']) {
  for (const flags of [O_RDWR, O_RDWR | O_DIRECT]) {
    const how = flags === O_RDWR ? 'plain' : 'O_DIRECT';
    mountTest(`a write that is not aligned changes its bytes only: ${mode}, ${how}`, async (t) => {
      const expected = pattern(MIB, 1);
      const bytes = Buffer.alloc(70_001, 'x');
      const write = async (file: { agent: FileAgent; fd: number; image: string }) => {
        t.is(await file.agent.write(file.fd, 12_345, bytes), 70_001);
        t.is((await file.agent.read(file.fd, 12_344, 70_003)).result, 70_003);
        t.is(await file.agent.result({ call: 'fsync', fd: file.fd }), 0);
        bytes.copy(expected, 12_345);
        t.true(readFileSync(file.image).subarray(0, MIB).equals(expected));
      };
      await withFile(t, [mode], write, flags);
    });
  }
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

mountTest('a write across the end is short, at the end there is no space', async (t) => {
  await withFile(t, [], async ({ agent, fd, image, mount }) => {
    const bytes = Buffer.alloc(8192, 'y');
    t.is(await agent.write(fd, 4 * MIB - 1000, bytes), 1000);
    t.is(await agent.write(fd, 4 * MIB, bytes), -ERRNO.ENOSPC);
    t.is(await agent.write(fd, 4 * MIB + 4096, bytes), -ERRNO.ENOSPC);
    t.is(await agent.size(mount.file()), 4 * MIB);
    t.is(statSync(image).size, 4 * MIB);
    t.is(readFileSync(image).toString('latin1', 4 * MIB - 1000), 'y'.repeat(1000));
  });
});

mountTest('an image of fixed size keeps its size and bytes', async (t) => {
  await withFile(t, [], async ({ agent, fd, image, mount }) => {
    t.is(await agent.result({ call: 'ftruncate', fd, length: MIB }), -ERRNO.EPERM);
    t.is(await agent.result({ call: 'ftruncate', fd, length: 8 * MIB }), -ERRNO.EPERM);
    const truncating = await agent.open(mount.file(), O_RDWR | O_TRUNC);
    t.true(truncating >= 0, `O_TRUNC is ignored: ${truncating}`);
    await agent.close(truncating);
    t.is(await agent.size(mount.file()), 4 * MIB);
    t.is(await agent.open(join(mount.point, 'new'), O_RDWR | constants.O_CREAT), -ERRNO.EPERM);
    t.true(readFileSync(image).subarray(0, MIB).equals(pattern(MIB, 1)));
  });
});

mountTest('a growable image grows with writes and truncate, and shrinks', async (t) => {
  await withFile(t, ['--growable'], async ({ agent, fd, image, mount }) => {
    t.is(await agent.write(fd, 5 * MIB, Buffer.alloc(4096, 'z')), 4096);
    t.is(await agent.size(mount.file()), 5 * MIB + 4096);
    const gap = await agent.read(fd, 4 * MIB, MIB);
    sameBytes(t, gap.bytes, Buffer.alloc(MIB));
    t.is(await agent.result({ call: 'ftruncate', fd, length: 9 * MIB }), 0);
    t.is(await agent.size(mount.file()), 9 * MIB);
    t.is(await agent.result({ call: 'ftruncate', fd, length: 2 * MIB }), 0);
    t.is(await agent.size(mount.file()), 2 * MIB);
    t.is((await agent.read(fd, 2 * MIB - 512, 4096)).result, 512);
    t.is(statSync(image).size, 2 * MIB);
  });
});

for (const words of [
  ['--read-only'],
  ['-o', 'ro'],
  ['--read-only', '--transport', 'fuse-native'],
]) {
  mountTest(`with ${words.join(' ')} nothing can be written`, async (t) => {
    const read = async ({ agent, fd, image, mount }: Parameters<WriteUse>[0]) => {
      t.is((await agent.read(fd, 0, 4096)).result, 4096);
      t.is(await agent.open(mount.file(), O_RDWR), -ERRNO.EROFS);
      const truncated = await run('truncate', ['-s', '0', mount.file()]);
      t.regex(truncated.stderr, /Read-only file system/);
      t.is(statSync(mount.file()).mode & 0o222, 0);
      // Groups do not belong to the images, so they can be changed.
      mkdirSync(join(mount.point, '.groups', 'slow'));
      t.is((await warmSluice(['set', mount.point, 'slow', 'iops=100', 'member=disk'])).code, 0);

      t.true(readFileSync(image).subarray(0, MIB).equals(pattern(MIB, 1)));
    };
    await withFile(t, words, read, O_RDONLY);
  });
}

type WriteUse = Parameters<typeof withFile>[2];

const FALLOCATE = [
  { title: 'punching a hole', mode: 3 },
  { title: 'zeroing a range', mode: 0x10 },
];

for (const { title, mode } of FALLOCATE) {
  mountTest(`${title} reaches the host file`, async (t) => {
    await withFile(t, [], async ({ agent, fd, image }) => {
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
    });
  });
}

mountTest('what is written through a mapping is in the host file after msync', async (t) => {
  await withFile(t, [], async ({ agent, fd, image }) => {
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
  });
});

mountTest('a mapping shows what is written by write', async (t) => {
  await withFile(t, [], async ({ agent, fd }) => {
    const first = await agent.ask({ call: 'mapRead', fd, offset: MIB - 77, length: 200 });
    t.is(first.result, 200);
    t.deepEqual(first.bytes.subarray(0, 77), pattern(MIB, 1).subarray(MIB - 77));
    const bytes = Buffer.alloc(200, 'w');
    t.is(await agent.write(fd, MIB - 77, bytes), 200);
    const second = await agent.ask({ call: 'mapRead', fd, offset: MIB - 77, length: 200 });
    sameBytes(t, second.bytes, bytes);
  });
});
