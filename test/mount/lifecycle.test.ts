import { constants, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { umount2 } from '../../src/sys/libc.js';
import { ERRNO } from '../../src/util/errno.js';
import { FileAgent } from '../helpers/file-agent.js';
import { untilFigures } from '../helpers/group-files.js';
import { mountFileSystem } from '../helpers/loop-device.js';
import { eventually, isAlive, mountsAt } from '../helpers/proc.js';
import { mountTest, requires } from '../helpers/requires.js';
import { Child, must, sluice, sluiceWords } from '../helpers/run.js';
import { forceAway, SluiceMount, startMount, withMount } from '../helpers/sluice-mount.js';
import { MIB, patternFile, TMPFS, tempFolder } from '../helpers/temp.js';

function makeImage(t: ExecutionContext): string {
  return patternFile(join(tempFolder(t), 'disk.img'), 4 * MIB);
}

/** Starts a daemon in the foreground and waits until it is ready. */
async function startForeground(
  t: ExecutionContext,
  words: readonly string[] = [],
  given: string | null = null,
): Promise<{ daemon: Child; mount: SluiceMount }> {
  const folder = tempFolder(t);
  const point = join(folder, 'mnt');
  mkdirSync(point);
  // With fuse-native a thread serves files in memory; it must end too.
  const image = given ?? patternFile(join(tempFolder(t, TMPFS), 'disk.img'), 4 * MIB);
  const log = join(folder, 'log');
  t.teardown(() => forceAway(point));
  const arguments_ = sluiceWords('mount', image, point, '--foreground', '--log', log, ...words);
  const daemon = new Child(process.execPath, arguments_);
  t.teardown(() => {
    daemon.process.kill('SIGKILL');
  });
  await daemon.line(/ is ready\n/);
  return { daemon, mount: new SluiceMount(point, log, daemon.pid) };
}

mountTest('when mount returns, the files can be used and the type is ours', async (t) => {
  // Here both commands are processes of their own, and must end by themselves.
  const mount = await startMount(t, [makeImage(t)], [], process.env);
  t.is((await must('stat', ['-c', '%s', mount.file()])).trim(), String(4 * MIB));
  t.deepEqual(
    mountsAt(mount.point).map(({ type }) => type),
    ['fuse.sluice'],
  );
  t.is((await sluice(['stat', mount.point])).code, 0);
  await mount.checkDescriptors(t);
  t.like(await sluice(['umount', mount.point]), { code: 0, stdout: '', stderr: '' });
  await mount.checkGone(t);
});

for (const transport of ['uring', 'fuse-native'] as const) {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    mountTest(`${transport}: ${signal} unmounts and ends the daemon with code 0`, async (t) => {
      const { daemon, mount } = await startForeground(t, ['--transport', transport]);
      await must('cat', [mount.file()]);
      daemon.process.kill(signal);
      const ended = await daemon.within();
      t.deepEqual([ended.code, ended.signal, ended.stderr], [0, null, '']);
      await mount.checkGone(t);
    });
  }

  mountTest(`${transport}: umount(8) from outside ends the daemon with code 0`, async (t) => {
    const { daemon, mount } = await startForeground(t, ['--transport', transport]);
    await must('umount', [mount.point]);
    t.is((await daemon.within()).code, 0);
    await mount.checkGone(t);
  });
}

requires(
  'fuse',
  'root',
  'qemu',
)('fuse-native: the thread that inflates does not keep the daemon alive', async (t) => {
  const image = join(tempFolder(t), 'disk.qcow2');
  const options = 'compression_type=zstd';
  await must('qemu-img', ['create', '-q', '-f', 'qcow2', '-o', options, image, '1M']);
  const { daemon, mount } = await startForeground(t, ['--transport', 'fuse-native'], image);
  await must('umount', [mount.point]);
  t.is((await daemon.within()).code, 0);
  await mount.checkGone(t);
});

mountTest('SIGTERM lets requests that wait go on without limits', async (t) => {
  const stuck = ['--group', 'slow:bps=1', '--assign', 'disk=slow'];
  const { daemon, mount } = await startForeground(t, stuck);
  // The first read may pass at once; the other would wait for more than an hour.
  const agents = [new FileAgent(t), new FileAgent(t)];
  const flags = constants.O_RDONLY;
  const fds = await Promise.all(agents.map((agent) => agent.open(mount.file(), flags)));
  const readOnce = async (agent: FileAgent, i: number): Promise<number> => {
    const { result } = await agent.read(fds[i]!, i * 4096, 4096);
    await agent.close(fds[i]!);
    return result;
  };
  const reads = Promise.all(agents.map(readOnce));
  await untilFigures(mount, 'slow', ({ queued = 0, rios = 0 }) => queued > 0 && queued + rios > 1);
  daemon.process.kill('SIGTERM');
  t.deepEqual(await reads, [4096, 4096]);
  t.is((await daemon.within()).code, 0);
  // The files were open when the signal came, and the log may mention that.
  await mount.checkGone(t, /: in use/);
});

mountTest('a second signal ends the daemon at once, though a file is open', async (t) => {
  const { daemon, mount } = await startForeground(t);
  const agent = new FileAgent(t);
  t.true((await agent.open(mount.file(), constants.O_RDONLY)) >= 0);
  daemon.process.kill('SIGTERM');
  daemon.process.kill('SIGTERM');
  const ended = await daemon.within();
  t.false(ended.timedOut);
  t.deepEqual(mountsAt(mount.point), []);
});

for (const transport of ['uring', 'fuse-native'] as const) {
  mountTest(`${transport}: SIGQUIT does not wait for requests that wait`, async (t) => {
    const words = ['--transport', transport, '--group', 'slow:bps=1', '--assign', 'disk=slow'];
    const { daemon, mount } = await startForeground(t, words);
    const agent = new FileAgent(t);
    const fd = await agent.open(mount.file(), constants.O_RDONLY);
    const read = agent.read(fd, 0, 1 << 20);
    await untilFigures(mount, 'slow', ({ queued = 0 }) => queued > 0);
    // In order it would let them go without limits first.
    daemon.process.kill('SIGQUIT');
    const { result } = await read;
    t.true(result === -ERRNO.ECONNABORTED || result === -ERRNO.ENOTCONN, `${result}`);
    const ended = await daemon.within();
    t.is(ended.code, 5);
    // A thread of libfuse may complain after that of the connection that is gone.
    t.regex(ended.stderr, /mount: the mount has been aborted before everything was flushed\n/);
    t.deepEqual(mountsAt(mount.point), []);
  });
}

for (const transport of ['uring', 'fuse-native']) {
  mountTest(
    `${transport}: when umount returns, the file system of the image is free`,
    async (t) => {
      const folder = tempFolder(t);
      const words = ['--transport', transport];
      // A ring keeps its files for some 20 ms: one round may miss that.
      for (let round = 0; round < 3; round++) {
        await mountFileSystem(t, ['-t', 'tmpfs', 'tmpfs'], folder);
        const mount = await startMount(t, [patternFile(join(folder, 'disk.img'), MIB)], words);
        await must('cat', [mount.file()]);
        t.is((await mount.umount()).code, 0);
        t.is(await umount2(folder, 0), 0);
      }
    },
  );
}

mountTest('of two commands that unmount at once neither fails for the other', async (t) => {
  for (let round = 0; round < 3; round++) {
    const mount = await startMount(t, [makeImage(t)]);
    const both = await Promise.all([mount.umount(), mount.umount()]);
    for (const { code, stderr } of both) {
      // One that comes later finds nothing.
      const late = `sluice: umount: ${mount.point}: sluice is not mounted there\n`;
      t.is(stderr, code === 0 ? '' : late);
    }
    await mount.checkGone(t);
  }
});

mountTest('umount names what is mounted inside', async (t) => {
  const mount = await startMount(t, [makeImage(t)]);
  const inside = join(mount.point, '.groups');
  await mountFileSystem(t, ['-t', 'tmpfs', 'tmpfs'], inside);
  const { code, stderr } = await mount.umount();
  const what = `a tmpfs is mounted in it at ${inside}; unmount that first, or use --force`;
  t.deepEqual([code, stderr], [1, `sluice: umount: ${mount.point}: ${what}\n`]);
  await must('umount', [inside]);
  t.is((await mount.umount()).code, 0);
});

mountTest('after kill -9 of the daemon files say ENOTCONN and umount cleans up', async (t) => {
  const mount = await startMount(t, [makeImage(t)]);
  const agent = new FileAgent(t);
  const fd = await agent.open(mount.file(), constants.O_RDONLY);
  process.kill(mount.pid, 'SIGKILL');
  t.true(await eventually(() => !isAlive(mount.pid)));
  // The kernel may still be closing the daemon's files; a request that the daemon had taken is aborted.
  const { result } = await agent.read(fd, 0, 4096);
  t.true(result === -ERRNO.ENOTCONN || result === -ERRNO.ECONNABORTED, `${result}`);
  t.is(await agent.size(mount.file()), -ERRNO.ENOTCONN);
  await agent.close(fd);
  t.is(mountsAt(mount.point).length, 1);
  const ended = await sluice(['umount', mount.point]);
  t.is(ended.code, 0, ended.stderr);
  t.deepEqual(mountsAt(mount.point), []);
});

mountTest('a dead mount in the way is refused by name', async (t) => {
  const mount = await startMount(t, [makeImage(t)]);
  process.kill(mount.pid, 'SIGKILL');
  t.true(await eventually(() => !isAlive(mount.pid)));
  const ended = await sluice(['mount', makeImage(t), mount.point]);
  t.is(ended.code, 4);
  t.regex(ended.stderr, /^sluice: mount: .*sluice umount.*\n$/);
  t.is((await mount.umount()).code, 0);
});

mountTest('umount -l ends the daemon when the last file is closed', async (t) => {
  const { daemon, mount } = await startForeground(t);
  const agent = new FileAgent(t);
  const fd = await agent.open(mount.file(), constants.O_RDONLY);
  await must('umount', ['-l', mount.point]);
  t.is((await agent.read(fd, 0, 4096)).result, 4096);
  t.true(isAlive(mount.pid));
  await agent.close(fd);
  t.is((await daemon.within()).code, 0);
  await mount.checkGone(t);
});

mountTest('an idle daemon uses no CPU and less than 120 MiB', async (t) => {
  await withMount(t, [makeImage(t)], [], async (mount) => {
    await must('cat', [mount.file()]);
    // A tick is 10 ms; garbage collection may take one. What belongs to the start may be late on a busy machine.
    const used: number[] = [];
    do {
      const first = await ticks(mount.pid);
      await new Promise((resolve) => setTimeout(resolve, 1500));
      used.push((await ticks(mount.pid)) - first);
    } while (used.at(-1)! > 2 && used.length < 10);
    t.true(used.at(-1)! <= 2, used.join());
    const status = await must('cat', [`/proc/${mount.pid}/status`]);
    t.true(Number(/VmRSS:\s+([0-9]+) kB/.exec(status)?.[1]) < 120 * 1024, status);
  });
});

/** CPU time that a process has used, in clock ticks. */
async function ticks(pid: number): Promise<number> {
  const text = await must('cat', [`/proc/${pid}/stat`]);
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return Number(fields[11]) + Number(fields[12]);
}
