import { constants, mkdirSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { ERRNO } from '../../src/util/errno.js';
import { FileAgent } from '../helpers/file-agent.js';
import { loopDevice, mountFileSystem } from '../helpers/loop-device.js';
import { eventually } from '../helpers/proc.js';
import { mountTest, requires } from '../helpers/requires.js';
import { sameBytes } from '../helpers/same-bytes.js';
import { withMount } from '../helpers/sluice-mount.js';
import { MIB, patternFile, sparseFile, tempFolder } from '../helpers/temp.js';

const { O_RDONLY, O_RDWR, O_DIRECT } = constants;

mountTest('a full host file system gives ENOSPC, and what was there stays', async (t) => {
  const folder = join(tempFolder(t), 'small');
  mkdirSync(folder);
  await mountFileSystem(t, ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs'], folder);
  const image = sparseFile(join(folder, 'disk.img'), 16 * MIB);
  const agent = new FileAgent(t);
  await withMount(
    t,
    [image],
    [],
    async (mount) => {
      const fd = await agent.open(mount.file(), O_RDWR);
      const bytes = Buffer.alloc(MIB, 'f');
      let written = 0;
      let result = 0;
      while (written < 16 * MIB) {
        result = await agent.write(fd, written, bytes);
        if (result <= 0) break;
        written += result;
      }
      t.is(result, -ERRNO.ENOSPC);
      t.true(written >= 3 * MIB && written <= 4 * MIB, `${written} bytes fitted`);
      sameBytes(t, (await agent.read(fd, 0, MIB)).bytes, bytes);
      // With room again writes succeed: the error is not permanent.
      const range = { mode: 3, offset: 0, length: 2 * MIB };
      t.is(await agent.result({ call: 'fallocate', fd, ...range }), 0);
      t.is(await agent.write(fd, 8 * MIB, bytes), MIB);
      await agent.close(fd);
      t.true(await mount.tells(/disk: WRITE: no space is left there \(ENOSPC\), at byte \d+/));
    },
    /ENOSPC/,
  );
});

requires(
  'fuse',
  'root',
  'io_uring',
  'loop',
)('an I/O error of the host gives EIO', async (t) => {
  const file = patternFile(join(tempFolder(t), 'backing'), 8 * MIB);
  const device = await loopDevice(t, file);
  // The device keeps its size, but cannot read past the new end of its file: EIO.
  truncateSync(file, 4 * MIB);
  const agent = new FileAgent(t);
  for (const flags of [O_RDONLY, O_RDONLY | O_DIRECT]) {
    await withMount(
      t,
      [`disk=${device}`],
      ['--direct'],
      async (mount) => {
        const fd = await agent.open(mount.file(), flags);
        t.is((await agent.read(fd, 0, 65536)).result, 65536);
        t.is((await agent.read(fd, 6 * MIB, 65536)).result, -ERRNO.EIO);
        t.is((await agent.read(fd, 2 * MIB, 65536)).result, 65536);
        await agent.close(fd);
        const line =
          'disk: READ: an I/O error of the disk, or a broken image (EIO), at byte 6291456';
        t.true(await eventually(() => mount.log.includes(line)));
      },
      /EIO/,
    );
  }
});
