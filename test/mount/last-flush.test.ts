import { constants, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { FileAgent } from '../helpers/file-agent.js';
import { eventually, isAlive } from '../helpers/proc.js';
import { requires } from '../helpers/requires.js';
import { Child, must, sluiceWords } from '../helpers/run.js';
import { canSlowDisk, slowDisk } from '../helpers/slow-disk.js';
import { forceAway, type SluiceMount, startMount } from '../helpers/sluice-mount.js';
import { MIB, tempFolder } from '../helpers/temp.js';

const flushTest = requires('fuse', 'root', 'io_uring', 'qemu');
const TRANSPORTS = ['uring', 'fuse-native'] as const;

/** Number of blocks, each with an L2 table of its own: with 4 KiB clusters a table covers 2 MiB. */
const BLOCKS = 64;
const APART = 2 * MIB;
const IMAGE = 'cluster_size=4096';

async function writeBlocks(t: ExecutionContext, file: string): Promise<number> {
  const agent = new FileAgent(t);
  const fd = await agent.open(file, constants.O_RDWR);
  let kept = 0;
  for (let block = 0; block < BLOCKS; block++) {
    const result = await agent.write(fd, block * APART, Buffer.alloc(4096, 1 + block));
    if (result === 4096) kept++;
  }
  await agent.close(fd);
  return kept;
}

async function checkBlocks(image: string, count = BLOCKS): Promise<void> {
  const reads = Array.from({ length: count }, (_, block) => {
    return ['-c', `read -P ${1 + (block % 255)} ${block * APART} 4k`];
  });
  await must('qemu-io', ['-r', '-f', 'qcow2', ...reads.flat(), image]);
  await must('qemu-img', ['check', '-f', 'qcow2', image]);
}

const ENDINGS: Readonly<Record<string, (mount: SluiceMount) => Promise<unknown>>> = {
  'sluice umount': async (mount) => {
    const ended = await mount.umount();
    if (ended.code !== 0) throw new Error(ended.stderr);
  },
  'umount(8)': (mount) => must('umount', [mount.point]),
  SIGTERM: async (mount) => process.kill(mount.pid, 'SIGTERM'),
};

for (const transport of TRANSPORTS) {
  for (const [title, end] of Object.entries(ENDINGS)) {
    flushTest(`${transport}, ${title}: a last flush of a second loses nothing`, async (t) => {
      const image = join(tempFolder(t), 'disk.qcow2');
      await must('qemu-img', ['create', '-q', '-f', 'qcow2', '-o', IMAGE, image, '1G']);
      const mount = await startMount(t, [image], ['--transport', transport]);
      t.is(await writeBlocks(t, mount.file()), BLOCKS);
      if (canSlowDisk) slowDisk(t, mount.pid, image, 60);
      await end(mount);
      t.true(await eventually(() => !isAlive(mount.pid)));
      await mount.checkGone(t);
      await checkBlocks(image);
    });
  }

  flushTest(`${transport}: what is answered while a mount in use ends is kept`, async (t) => {
    const image = join(tempFolder(t), 'disk.qcow2');
    // The end comes after 20 writes, or some hundreds on a busy machine.
    const most = 20_000;
    const bytes = String(most * APART);
    await must('qemu-img', ['create', '-q', '-f', 'qcow2', '-o', IMAGE, image, bytes]);
    const mount = await startMount(t, [image], ['--transport', transport]);
    const agent = new FileAgent(t);
    const fd = await agent.open(mount.file(), constants.O_RDWR);
    let kept = 0;
    for (; kept < most; kept++) {
      const bytes = Buffer.alloc(4096, 1 + (kept % 255));
      if ((await agent.write(fd, kept * APART, bytes)) !== 4096) break;
      if (kept === 16) process.kill(mount.pid, 'SIGTERM');
    }
    await agent.close(fd);
    t.true(kept > 16 && kept < most, `${kept} writes before the end`);
    await mount.checkGone(t, /: in use/);
    await checkBlocks(image, kept);
  });

  flushTest(`${transport}: a last flush that fails is an error of sluice umount`, async (t) => {
    const image = join(tempFolder(t), 'disk.qcow2');
    await must('qemu-img', ['create', '-q', '-f', 'qcow2', '-o', IMAGE, image, '1G']);
    const mount = await startMount(t, [image], ['--transport', transport]);
    t.is(await writeBlocks(t, mount.file()), BLOCKS);
    await refuseWrites(mount.pid);
    t.like(await mount.umount(), { code: 1, stderr: `sluice: umount: ${sentence(image)}\n` });
    t.true(mount.log.includes(`error: ${sentence(image)}\n`), mount.log);
    await mount.checkGone(t, /could not be flushed/);
  });

  for (const how of ['SIGTERM', 'umount(8)']) {
    flushTest(`${transport}, ${how}: so it is of a daemon in the foreground`, async (t) => {
      const folder = tempFolder(t);
      const image = join(folder, 'disk.qcow2');
      const point = join(folder, 'mnt');
      mkdirSync(point);
      await must('qemu-img', ['create', '-q', '-f', 'qcow2', '-o', IMAGE, image, '1G']);
      t.teardown(() => forceAway(point));
      const words = ['mount', image, point, '--foreground', '--transport', transport];
      const daemon = new Child(process.execPath, sluiceWords(...words));
      t.teardown(() => void daemon.process.kill('SIGKILL'));
      await daemon.line(/ is ready\n/);
      t.is(await writeBlocks(t, join(point, 'disk.raw')), BLOCKS);
      await refuseWrites(daemon.pid);
      if (how === 'SIGTERM') daemon.process.kill('SIGTERM');
      else await must('umount', [point]);
      const ended = await daemon.within();
      t.is(ended.code, 1);
      t.true(ended.stderr.includes(`sluice: mount: ${sentence(image)}\n`), ended.stderr);
    });
  }
}

/** From now on writes of a process past the first 4 KiB of a file fail with EFBIG. */
async function refuseWrites(pid: number): Promise<void> {
  await must('prlimit', ['--pid', String(pid), '--fsize=4096']);
}

function sentence(image: string): string {
  const why = 'the file would be larger than its file system allows (EFBIG)';
  return `${image}: its last writes could not be flushed: ${why}; they may be lost`;
}
