import { constants, readFileSync, statSync } from 'node:fs';
import { FALLOC_KEEP_SIZE, FALLOC_PUNCH_HOLE } from '../../src/sys/constants.js';
import { Maker } from '../../tools/lib/image-maker.js';
import { FileAgent } from '../helpers/file-agent.js';
import { sameBytes } from '../helpers/same-bytes.js';
import { withMount } from '../helpers/sluice-mount.js';
import { pattern, TMPFS, tempFolder } from '../helpers/temp.js';
import { qemuMountTest } from './needs.js';

const SIZE = (3 << 20) + 512;
const ENOSPC = 28;
const DISK = '/var/tmp';

/** Images whose layout never changes, and the bytes of the file that a write may change besides the disk. */
const IMAGES = [
  ['vhd', 'vpc', 'subformat=fixed,force_size=on', []],
  // The UUID of a change, which images over this one have recorded.
  ['vdi', 'vdi', 'static=on', [[408, 424]]],
] as const;

for (const [format, qemu, options, changing] of IMAGES) {
  for (const [base, transport] of [
    [TMPFS, 'uring'],
    [DISK, 'uring'],
    [DISK, 'fuse-native'],
  ] as const) {
    qemuMountTest(`${format} is written in place: ${base}, ${transport}`, async (t) => {
      const maker = new Maker(tempFolder(t, base));
      const path = maker.path(`disk.${format}`);
      maker.img('create', '-q', '-f', qemu, '-o', options, path, String(SIZE));
      const before = readFileSync(path);
      const content = Buffer.alloc(SIZE);
      const words = ['--transport', transport];
      await withMount(t, [path], words, async (mount) => {
        t.true(readFileSync(path).equals(before));
        const agent = new FileAgent(t);
        const fd = await agent.open(mount.file('disk'), constants.O_RDWR);
        const ends = [SIZE - 512, SIZE - 1000, SIZE - 8192];
        for (const [index, offset] of [0, 4096, 70_001, (1 << 20) - 100, ...ends].entries()) {
          const length = Math.min(SIZE - offset, index % 2 === 0 ? 8192 : 5000 + index);
          const bytes = pattern(length, 100 + index);
          bytes.copy(content, offset);
          t.is(await agent.write(fd, offset, bytes), length);
        }
        // It does not grow, and what lies behind the disk in the file is never written.
        t.is(await agent.write(fd, SIZE, Buffer.alloc(512, 1)), -ENOSPC);
        if (transport === 'uring') {
          const mode = FALLOC_PUNCH_HOLE | FALLOC_KEEP_SIZE;
          const zeroed = { fd, mode, offset: 6000, length: 1_000_000 };
          t.is(await agent.result({ call: 'fallocate', ...zeroed }), 0);
          content.fill(0, 6000, 1_006_000);
        }
        t.is(await agent.result({ call: 'fsync', fd }), 0);
        sameBytes(t, (await agent.read(fd, 0, SIZE)).bytes, content);
        await agent.close(fd);
      });
      maker.img('convert', '-f', qemu, '-O', 'raw', path, 'raw');
      sameBytes(t, readFileSync(maker.path('raw')), content);
      // Headers and footer are as they were.
      t.is(statSync(path).size, before.length);
      const after = readFileSync(path);
      const start = format === 'vdi' ? 1024 : 0;
      before.copy(after, start, start, start + SIZE);
      for (const [from, end] of changing) {
        t.false(after.subarray(from, end).equals(before.subarray(from, end)));
        before.copy(after, from, from, end);
      }
      sameBytes(t, after, before);
    });
  }
}
