import { constants, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { ERRNO } from '../../src/util/errno.js';
import { FileAgent } from '../helpers/file-agent.js';
import { loopDevice } from '../helpers/loop-device.js';
import { mountTest, requires } from '../helpers/requires.js';
import { must } from '../helpers/run.js';
import { withMount } from '../helpers/sluice-mount.js';
import { MIB, patternFile, sparseFile, tempFolder } from '../helpers/temp.js';

const O_DIRECT = constants.O_DIRECT;

for (const words of [['--direct'], ['--no-direct'], ['--cache', 'page']]) {
  const title =
    'the mounted file holds the bytes of the image, an odd end is filled up with zeros to 512';
  mountTest(`${title}: ${words.join(' ')}`, async (t) => {
    const folder = tempFolder(t);
    const image = patternFile(join(folder, 'disk.img'), 9 * MIB);
    const odd = patternFile(join(folder, 'odd.img'), MIB + 4096 + 7);
    const agent = new FileAgent(t);
    await withMount(t, [image, odd], words, async (mount) => {
      await must('cmp', [image, mount.file()]);
      // 3 MiB at a time, so that the kernel splits a read into several requests.
      const direct = ['iflag=direct', 'bs=3M', 'status=none', `if=${mount.file()}`];
      await must('dd', [...direct, `of=${image}.copy`]);
      await must('cmp', [image, `${image}.copy`]);
      t.is(statSync(`${image}.copy`).size, 9 * MIB);
      t.is(await agent.size(mount.file('odd')), MIB + 4096 + 512);
      const fd = await agent.open(mount.file('odd'), constants.O_RDONLY);
      const { result, bytes } = await agent.read(fd, MIB + 4096, 8192);
      t.is(result, 512);
      t.deepEqual(bytes.subarray(0, 7), readFileSync(odd).subarray(MIB + 4096));
      t.deepEqual(bytes.subarray(7), Buffer.alloc(505));
      await agent.close(fd);
    });
    t.is(statSync(odd).size, MIB + 4096 + 7, 'reading does not change the image');
  });
}

mountTest('two images and a name of its own; reads at the end or behind it', async (t) => {
  const folder = tempFolder(t);
  const one = patternFile(join(folder, 'one.img'), MIB, 1);
  const two = patternFile(join(folder, 'two.img'), 2 * MIB, 2);
  const agent = new FileAgent(t);
  await withMount(t, [one, `web=${two}`], [], async (mount) => {
    t.is(await must('ls', [mount.point]), 'one.raw\nweb.raw\n');
    await must('cmp', [one, mount.file('one')]);
    await must('cmp', [two, mount.file('web')]);
    const listed = await must('ls', ['-A', mount.point]);
    t.deepEqual(listed.trim().split('\n').sort(), ['.groups', 'one.raw', 'web.raw']);
    for (const flags of [constants.O_RDONLY, constants.O_RDONLY | O_DIRECT]) {
      const fd = await agent.open(mount.file('one'), flags);
      t.is((await agent.read(fd, MIB, 4096)).result, 0);
      t.is((await agent.read(fd, MIB + 512, 4096)).result, 0);
      t.is((await agent.read(fd, 2 ** 40, 4096)).result, 0);
      t.is((await agent.read(fd, MIB - 512, 4096)).result, 512);
      await agent.close(fd);
    }
  });
});

/** Extents found with SEEK_DATA and SEEK_HOLE: `[start of data, start of hole]` each. */
async function extents(agent: FileAgent, path: string): Promise<number[][]> {
  const fd = await agent.open(path, constants.O_RDONLY);
  const found = [];
  for (let at = 0; ; ) {
    const data = await agent.result({ call: 'lseek', fd, offset: at, whence: 3 });
    if (data === -ERRNO.ENXIO) break;
    at = await agent.result({ call: 'lseek', fd, offset: data, whence: 4 });
    found.push([data, at]);
    if (data < 0 || at < 0) break;
  }
  await agent.close(fd);
  return found;
}

async function writeIslands(t: ExecutionContext): Promise<string> {
  const image = sparseFile(join(tempFolder(t), 'disk.img'), 16 * MIB);
  for (const block of [0, 100, 101, 2000]) {
    const words = ['if=/dev/urandom', `of=${image}`, 'bs=4096', 'count=1', 'conv=notrunc'];
    await must('dd', [...words, `seek=${block}`, 'status=none']);
  }
  return image;
}

mountTest('SEEK_DATA and SEEK_HOLE find what the host file has', async (t) => {
  const image = await writeIslands(t);
  const agent = new FileAgent(t);
  await withMount(t, [image], [], async (mount) => {
    const expected = [
      [0, 4096],
      [409600, 417792],
      [8192000, 8196096],
    ];
    t.deepEqual(await extents(agent, image), expected);
    t.deepEqual(await extents(agent, mount.file()), expected);
    const fd = await agent.open(mount.file(), constants.O_RDONLY);
    const seek = (offset: number, whence: number): Promise<number> =>
      agent.result({ call: 'lseek', fd, offset, whence });
    t.is(await seek(8196096, 4), 8196096);
    t.is(await seek(16 * MIB, 4), -ERRNO.ENXIO);
    t.is(await seek(16 * MIB, 3), -ERRNO.ENXIO);
    await agent.close(fd);
  });
});

requires(
  'fuse',
  'root',
  'io_uring',
  'loop',
)('a block device is an image', async (t) => {
  const file = patternFile(join(tempFolder(t), 'backing'), 8 * MIB);
  const device = await loopDevice(t, file);
  const agent = new FileAgent(t);
  await withMount(t, [`disk=${device}`], [], async (mount) => {
    t.is(await agent.size(mount.file()), 8 * MIB);
    await must('cmp', [file, mount.file()]);
    const bytes = Buffer.alloc(4096, 'sluice');
    const fd = await agent.open(mount.file(), constants.O_RDWR);
    t.is(await agent.write(fd, MIB + 17, bytes), 4096);
    t.is(await agent.result({ call: 'fsync', fd }), 0);
    t.is(await agent.write(fd, 8 * MIB - 100, bytes), 100);
    t.is(await agent.write(fd, 8 * MIB, bytes), -ERRNO.ENOSPC);
    await agent.close(fd);
  });
  await must('sync', [device]);
  const backing = readFileSync(file);
  t.is(backing.toString('latin1', MIB + 17, MIB + 29), 'sluicesluice');
  t.is(backing.length, 8 * MIB);
});
