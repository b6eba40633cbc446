import { constants, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { run } from '../lib/process.js';
import type { Agent } from '../verifier/agent.js';
import { Load } from '../verifier/load.js';
import { SECTOR } from '../verifier/stamps.js';
import type { Mounted } from './mounted.js';
import { eventually, insist, type TestImage } from './place.js';
import { type Scenario, TRANSPORTS } from './scenario.js';

const MIB = 1 << 20;
const MIB_SECTORS = 2048;
const { O_RDONLY, O_RDWR } = constants;

/** A command that runs another one in a cgroup from its first instruction on. */
export function inGroup(folder: string): string[] {
  return ['sh', '-c', 'echo $$ >"$0"/cgroup.procs && exec "$@"', folder];
}

const memoryCache: Scenario = {
  name: 'memory-limit-cache',
  needs: ['memory', 'qemu'],
  transports: TRANSPORTS,
  short: [],
  holds: 'a daemon whose cgroup is full of cached pages goes on without an error',
  async body(place) {
    const group = await place.memoryGroup(112 * MIB);
    const image = await place.qcow2('disk.qcow2', 256 * MIB_SECTORS);
    const way = { prefix: inGroup(group) };
    const mounted = await place.mount([`disk=${image.path}`], ['--no-direct'], way);
    const agent = place.agent();
    const fd = await agent.open(mounted.file(), O_RDWR);
    const load = new Load(agent, fd, image.model, place.random, { depth: 16, longest: 2048 });
    load.start();
    await load.progress(1500, 120_000);
    await load.stop();
    await load.close();
    await mounted.finish();
    await place.verify(image);
  },
};

/** Writes of 1 MiB that wait for a limit, and so each hold memory of the daemon. */
async function waitingWrites(
  mounted: Mounted,
  { model }: TestImage,
  agents: readonly Agent[],
  each: number,
): Promise<Promise<number[]>[]> {
  // All are open before the first write: it may end the daemon.
  const fds = await Promise.all(agents.map((agent) => agent.open(mounted.file(), O_RDWR)));
  const writes = agents.map(async (agent, index) => {
    const fd = fds[index];
    const calls = Array.from({ length: each }, async (_, i) => {
      const count = MIB_SECTORS;
      const change = model.begin((index * each + i) * count, count);
      const { sector, generation } = change;
      const task = { call: 'write', fd, image: model.image, sector, count, generation } as const;
      const result = await agent.result(task);
      model.answer(change, Math.max(0, Math.floor(result / SECTOR)));
      return result;
    });
    const results = await Promise.all(calls);
    await agent.result({ call: 'close', fd });
    return results;
  });
  for (const one of writes) one.catch(() => {});
  return writes;
}

const memoryWaiting: Scenario = {
  name: 'memory-limit-waiting-writes',
  needs: ['memory', 'qemu'],
  transports: TRANSPORTS,
  short: ['uring'],
  holds:
    'waiting writes that the cgroup has no memory for are served later, or the kernel kills the daemon: then every call ends, and the image is sound',
  async body(place) {
    const group = await place.memoryGroup(112 * MIB);
    const image = await place.qcow2('disk.qcow2', 256 * MIB_SECTORS);
    const words = ['--group', 'slow:bps=1', '--assign', 'disk=slow'];
    const way = { prefix: inGroup(group) };
    const mounted = await place.mount([`disk=${image.path}`], words, way);
    const agents = Array.from({ length: 4 }, () => place.agent());
    const writes = await waitingWrites(mounted, image, agents, 32);
    const isFull = async (): Promise<boolean> => {
      if (!mounted.isAlive()) return true;
      const figures = await mounted.figures('slow').catch(() => null);
      return (figures?.queued ?? 0) + (figures?.wios ?? 0) >= 64;
    };
    await eventually(20_000, isFull);
    if (mounted.isAlive()) await place.sluice(['set', mounted.point, 'slow', 'bps=max']);
    const all = (await Promise.all(writes)).flat();
    if (mounted.isAlive()) {
      insist(
        all.every((result) => result === MIB),
        `the daemon lives, and writes return ${all}`,
      );
      await mounted.finish();
      return place.verify(image);
    }
    await mounted.ended(null);
    const removed = await mounted.umount();
    insist(removed.code === 0, `umount of the dead mount: ${removed.stderr}`);
    await place.verify(image, 'cut', 'leaks at most');
  },
};

/** Descriptors of a daemon at rest are about 30. */
// With 6 images the last ones are made between 38 and 44: with 38 libfuse mounts, and the mount table cannot be read any more.
const FEW_DESCRIPTORS = [20, 22, 24, 28, 32, ...Array.from({ length: 15 }, (_, i) => 34 + i)];
const SHORT_DESCRIPTORS = [24, 37, 38, 39, 40, 42];

const fewDescriptors: Scenario = {
  name: 'descriptor-limit-start',
  needs: ['prlimit'],
  transports: TRANSPORTS,
  short: TRANSPORTS,
  holds:
    'a mount without descriptors for it is refused with a sentence and leaves nothing; with enough it works',
  async body(place) {
    const images = await Promise.all(
      Array.from({ length: 6 }, (_, i) => place.raw(`disk${i}.img`, MIB_SECTORS)),
    );
    const paths = images.map(({ path }) => path);
    for (const count of place.isShort ? SHORT_DESCRIPTORS : FEW_DESCRIPTORS) {
      const prefix = ['prlimit', `--nofile=${count}`, '--'];
      const mounted = await place.startMount(paths, [], { prefix });
      await eventually(30_000, () => mounted.isReady() || !mounted.isAlive());
      if (mounted.isReady()) {
        await mounted.finish();
        continue;
      }
      await mounted.ended(1, 4);
      const said = mounted.output();
      insist(/^sluice: mount: [^\n]+$/.test(said), `with ${count} descriptors it says: ${said}`);
      insist(!(await mounted.isMounted()), `with ${count} descriptors it stays mounted`);
    }
  },
};

const noDescriptors: Scenario = {
  name: 'descriptor-limit-live',
  needs: ['prlimit', 'qemu'],
  transports: TRANSPORTS,
  short: ['uring'],
  holds:
    'a daemon that can open nothing more serves reads, writes, opens and control files, and ends in order',
  async body(place) {
    const image = await place.qcow2('disk.qcow2', 32 * MIB_SECTORS);
    const words = ['--group', 'free:iops=100k', '--assign', 'disk=free'];
    const mounted = await place.mount([`disk=${image.path}`], words);
    const agent = place.agent();
    const fd = await agent.open(mounted.file(), O_RDWR);
    const load = new Load(agent, fd, image.model, place.random);
    load.start();
    await load.progress(100);
    const open = readdirSync(`/proc/${mounted.pid}/fd`).length;
    await run('prlimit', ['--pid', String(mounted.pid), `--nofile=${open}:20000`]);
    await load.progress(200);
    const more = [];
    for (let i = 0; i < 100; i++) more.push(await agent.open(mounted.file(), O_RDONLY));
    const put = { call: 'put', path: mounted.control('free/io.max') } as const;
    insist((await agent.result({ ...put, text: 'iops=50k' })) === 0, 'a limit cannot be set');
    insist((await mounted.figures('free')).wios > 0, 'figures cannot be read');
    await load.progress(200);
    await load.stop();
    for (const one of [fd, ...more]) await agent.result({ call: 'close', fd: one });
    await mounted.finish();
    await place.verify(image);
  },
};

const stopped: Scenario = {
  name: 'stop-and-continue',
  needs: ['qemu'],
  transports: TRANSPORTS,
  short: ['uring'],
  holds:
    'a daemon that is stopped under load goes on where it was; meanwhile commands give up with a sentence',
  async body(place) {
    const image = await place.qcow2('disk.qcow2', 32 * MIB_SECTORS);
    const words = ['--group', 'some:iops=5000', '--assign', 'disk=some'];
    const mounted = await place.mount([`disk=${image.path}`], words);
    const agent = place.agent();
    const fd = await agent.open(mounted.file(), O_RDWR);
    const load = new Load(agent, fd, image.model, place.random, { depth: 16 });
    load.start();
    for (let round = 0; round < (place.isShort ? 4 : 20); round++) {
      await load.progress(50);
      mounted.signal('SIGSTOP');
      await delay(place.random.below(200));
      mounted.signal('SIGCONT');
    }
    mounted.signal('SIGSTOP');
    const asked = await place.sluice(['stat', mounted.point], 20_000);
    insist(asked.code === 1 && /does not answer/.test(asked.stderr), `stat: ${asked.stderr}`);
    mounted.signal('SIGCONT');
    await load.progress(100);
    await load.stop();
    await load.close();
    await mounted.finish();
    await place.verify(image);
  },
};

/** Moves a process that runs already into a cgroup. */
export function moveTo(folder: string, pid: number): void {
  writeFileSync(join(folder, 'cgroup.procs'), String(pid));
}

export const PROCESS_LIMITS: readonly Scenario[] = [
  memoryCache,
  memoryWaiting,
  fewDescriptors,
  noDescriptors,
  stopped,
];
