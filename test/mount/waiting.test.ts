import { constants, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ExecutionContext } from 'ava';
import { FileAgent } from '../helpers/file-agent.js';
import { fioWords } from '../helpers/fio.js';
import { untilQueued } from '../helpers/group-files.js';
import { eventually, isAlive } from '../helpers/proc.js';
import { mountTest, requires } from '../helpers/requires.js';
import { Child, must } from '../helpers/run.js';
import { type SluiceMount, startMount, withMount } from '../helpers/sluice-mount.js';
import { MIB, pattern, patternFile, tempFolder } from '../helpers/temp.js';

const fioTest = requires('fuse', 'root', 'io_uring', 'fio');
const nativeTest = requires('fuse', 'root');

/** One byte a second: at the latest the second request waits for more than an hour. */
const STUCK = ['--group', 'slow:bps=1', '--assign', 'disk=slow'];

function makeImage(t: ExecutionContext): string {
  return patternFile(join(tempFolder(t), 'disk.img'), 16 * MIB);
}

/** Starts a process in a throttled call, and returns once the call waits. */
async function startWaiting(
  t: ExecutionContext,
  mount: SluiceMount,
  kind: 'read' | 'write',
): Promise<FileAgent> {
  const agent = new FileAgent(t);
  const fd = await agent.open(mount.file(), constants.O_RDWR);
  if (fd < 0) throw new Error(`open: ${fd}`);
  const call = (): Promise<unknown> =>
    kind === 'read' ? agent.read(fd, 0, 4096) : agent.write(fd, 0, pattern(4096, 1));
  // The last call never returns; its result does not matter.
  call()
    .then(call)
    .catch(() => {});
  await untilQueued(mount, 'slow', 1);
  return agent;
}

for (const kind of ['read', 'write'] as const) {
  mountTest(`kill -9 ends a process that waits in a throttled ${kind}`, async (t) => {
    await withMount(t, [makeImage(t)], STUCK, async (mount) => {
      const { pid } = await startWaiting(t, mount, kind);
      const start = performance.now();
      process.kill(pid, 'SIGKILL');
      // On an idle machine this takes 0.1 s at most; the request itself would wait for an hour.
      const ended = await eventually(() => !isAlive(pid));
      t.log(`ended after ${(performance.now() - start).toFixed(1)} ms`);
      t.true(ended);
      // withMount then unmounts without force: nothing may keep the file open any more.
    });
  });
}

mountTest('umount names the process that holds a file, and leaves the mount alone', async (t) => {
  await withMount(t, [makeImage(t)], [], async (mount) => {
    const agent = new FileAgent(t);
    const fd = await agent.open(mount.file(), constants.O_RDONLY);
    const refused = await mount.umount();
    t.is(refused.code, 1);
    t.regex(refused.stderr, new RegExp(`^sluice: umount: .*\\b${agent.pid}\\b.*\n$`));
    t.is((await agent.read(fd, 0, 4096)).result, 4096);
    await agent.close(fd);
  });
});

/** Starts random reads for a minute, unless the child is ended before. */
function startReaders(t: ExecutionContext, file: string, ...options: string[]): Child {
  const words = ['rw=randread', 'bs=4k', 'size=16m', 'time_based', 'runtime=60', ...options];
  const child = new Child('fio', fioWords(file, ...words));
  t.teardown(() => {
    child.process.kill('SIGKILL');
  });
  return child;
}

/** Options for 512 requests in flight from one thread. */
const ASYNCHRONOUS = ['iodepth=512', 'iodepth_batch_submit=512'];

/**
 * Ends a mount whose readers cannot be killed: the kernel interrupts a waiting call, but a process does
 * not end before its asynchronous requests.
 */
async function forceUnmount(t: ExecutionContext, mount: SluiceMount, readers: Child) {
  const ended = await mount.umount('--force');
  t.is(ended.code, 0, ended.stderr);
  t.false((await readers.within()).timedOut, 'who waited has ended');
  await mount.checkGone(t, /: in use/);
}

fioTest('umount --force works while 512 requests wait', async (t) => {
  const mount = await startMount(t, [makeImage(t)], STUCK);
  const readers = startReaders(t, mount.file(), ...ASYNCHRONOUS);
  await untilQueued(mount, 'slow', 511);
  await forceUnmount(t, mount, readers);
});

fioTest('kill -9 ends 64 threads that wait in throttled reads', async (t) => {
  await withMount(t, [makeImage(t)], STUCK, async (mount) => {
    const readers = startReaders(t, mount.file(), 'ioengine=psync', 'numjobs=64');
    await untilQueued(mount, 'slow', 63);
    readers.process.kill('SIGKILL');
    t.false((await readers.within()).timedOut);
  });
});

fioTest('an image that waits does not stop another one', async (t) => {
  const images = [makeImage(t), `free=${makeImage(t)}`];
  const slow = ['--group', 'slow:iops=10', '--assign', 'disk=slow'];
  const mount = await startMount(t, images, slow);
  const readers = startReaders(t, mount.file(), ...ASYNCHRONOUS);
  await untilQueued(mount, 'slow', 500);
  const words = [`if=${mount.file('free')}`, 'of=/dev/null', 'bs=4k', 'count=1000'];
  await must('dd', [...words, 'iflag=direct']);
  await forceUnmount(t, mount, readers);
});

/** Whether a thread of libfuse waits for a request. */
function waitsForRequests(thread: string): boolean {
  try {
    return readFileSync(`/proc/${thread}/wchan`, 'utf8') === 'fuse_dev_do_read';
  } catch {
    // It has ended.
    return false;
  }
}

const threadsOf = (pid: number): string[] => readdirSync(`/proc/${pid}/task`);

/** From now on these threads get one processor, and only while nobody else wants it. */
async function starve(t: ExecutionContext, threads: readonly string[]): Promise<void> {
  const busy = new Child('taskset', ['1', 'sh', '-c', 'while :; do :; done']);
  t.teardown(() => {
    busy.process.kill('SIGKILL');
  });
  for (const thread of threads) {
    await must('taskset', ['-p', '1', thread]);
    await must('renice', ['-n', '19', '-p', thread]);
  }
}

nativeTest('requests that SIGTERM lets go are answered, however slow libfuse is', async (t) => {
  const words = [...STUCK, '--transport', 'fuse-native'];
  const mount = await startMount(t, [makeImage(t)], words);
  const agents = Array.from({ length: 8 }, () => new FileAgent(t));
  const fds = await Promise.all(
    agents.map((agent) => agent.open(mount.file(), constants.O_RDONLY)),
  );
  // The others are of V8 and of the pool, which has to carry the reads out. A thread of libfuse that has just
  // answered is not back yet, so it is looked for several times.
  const idle = new Set<string>();
  for (let looks = 0; looks < 20 || idle.size === 0; looks++) {
    for (const thread of threadsOf(mount.pid)) if (waitsForRequests(thread)) idle.add(thread);
    await sleep(10);
  }
  const others = new Set(threadsOf(mount.pid).filter((thread) => !idle.has(thread)));
  const reads = agents.map((agent, i) => agent.read(fds[i]!, i * 4096, 4096));
  await untilQueued(mount, 'slow', agents.length);
  const libfuse = threadsOf(mount.pid).filter((thread) => !others.has(thread));
  t.true(libfuse.length > agents.length, `${libfuse.length} threads of libfuse`);
  await starve(t, libfuse);
  process.kill(mount.pid, 'SIGTERM');
  for (const { result } of await Promise.all(reads)) t.is(result, 4096);
  for (const [i, agent] of agents.entries()) await agent.close(fds[i]!);
  t.true(await eventually(() => !isAlive(mount.pid)));
  await mount.checkGone(t, /: in use/);
});
