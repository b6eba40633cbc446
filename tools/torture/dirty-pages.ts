import { constants } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { run } from '../lib/process.js';
import { checkTables } from '../verifier/judge.js';
import { Load } from '../verifier/load.js';
import type { Need } from './needs.js';
import type { TestImage } from './place.js';
import { inGroup, moveTo } from './process-limits.js';
import type { Scenario } from './scenario.js';

const MIB_SECTORS = 2048;
const LONG_SECONDS = 600;
const SHORT_SECONDS = 10;
/** For the daemon, the writers and all pages that they make dirty. */
const GROUP_BYTES = 256 << 20;
/** Two files, each larger than the memory of the group. */
const FILES = 2;
const FILE_SECTORS = 320 * MIB_SECTORS;
const DISK_SECTORS = 1024 * MIB_SECTORS;
/** No call answered for so long: a deadlock. */
const STUCK_MS = 60_000;

interface Kind {
  name: string;
  needs: readonly Need[];
  make: (device: string) => Promise<unknown>;
  /** Fails unless the file system is clean. */
  check: (device: string) => Promise<unknown>;
}

const KINDS: readonly Kind[] = [
  {
    name: 'ext4',
    needs: ['ext4'],
    make: (device) => run('mkfs.ext4', ['-q', device], 120_000),
    check: (device) => run('e2fsck', ['-f', '-n', device], 120_000),
  },
  {
    name: 'xfs',
    needs: ['xfs'],
    make: (device) => run('mkfs.xfs', ['-q', device], 120_000),
    check: (device) => run('xfs_repair', ['-n', device], 120_000),
  },
];

function dirtyPages(kind: Kind): Scenario {
  return {
    name: `dirty-pages-${kind.name}`,
    needs: ['memory', 'loop', 'qemu', ...kind.needs],
    transports: ['uring', 'fuse-native'],
    short: kind.name === 'ext4' ? ['uring'] : [],
    holds: `${kind.name} on a loop device over a mounted qcow2 image, daemon and writers in one small memory cgroup: no deadlock, a clean file system, every byte`,
    async body(place) {
      const seconds = place.isShort ? SHORT_SECONDS : LONG_SECONDS;
      const group = await place.memoryGroup(GROUP_BYTES);
      const image = await place.qcow2('disk.qcow2', DISK_SECTORS);
      const way = { prefix: inGroup(group) };
      const mounted = await place.mount([`disk=${image.path}`], [], way);
      const device = await place.loop(mounted.file());
      await kind.make(device);
      const folder = await place.fileSystem('inside', device);
      const files: TestImage[] = [];
      const loads: Load[] = [];
      for (let i = 0; i < FILES; i++) {
        const file = await place.raw(`inside/file${i}`, FILE_SECTORS);
        const agent = place.agent();
        agent.limitMs = 2 * STUCK_MS;
        moveTo(group, agent.pid);
        const fd = await agent.open(file.path, constants.O_RDWR);
        const options = { depth: 4, longest: 2048, syncs: 1 };
        const load = new Load(agent, fd, file.model, place.random, options);
        load.start();
        files.push(file);
        loads.push(load);
      }
      const end = Date.now() + seconds * 1000;
      while (Date.now() < end) {
        await Promise.all(loads.map((load) => load.progress(10, STUCK_MS)));
        await delay(100);
      }
      for (const load of loads) await load.stop();
      for (const file of files) await run('sync', [file.path], 2 * STUCK_MS);
      for (const load of loads) await load.close();
      await place.unmount(folder);
      await kind.check(device);
      await run('mount', [device, folder], STUCK_MS);
      for (const file of files) await place.verify(file);
      await place.unmount(folder);
      await place.detach(device);
      await mounted.finish();
      await checkTables(image, 'sound');
    },
  };
}

export const DIRTY_PAGES: readonly Scenario[] = KINDS.map(dirtyPages);
