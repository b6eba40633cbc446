import { constants, writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { outcomeOf } from '../lib/process.js';
import type { Mounted } from './mounted.js';
import { eventually, insist } from './place.js';
import { type Scenario, TRANSPORTS, type Transport } from './scenario.js';
import {
  connectionOf,
  GONE,
  IMAGE_SECTORS,
  MIB_SECTORS,
  makeScene,
  remount,
  writeApart,
  writeSome,
} from './states.js';

// What comes while a mount starts, while it makes its last flush, and right after it was killed.

const { O_RDWR } = constants;

/** The times after its start at which a mount is struck, milliseconds. */
const SHORT_STARTING_MS = [20, 200] as const;
const STARTING_MS = [20, 60, 100, 140, 180, 220, 260, 300, 350, 400, 500];

/** A blow while a mount starts: at many moments, most of them before it is ready. */
function whileStarting(
  name: string,
  strike: (mounted: Mounted) => Promise<unknown>,
  short: readonly Transport[] = [],
): Scenario {
  return {
    name: `${name}-starting`,
    needs: ['qemu'],
    transports: TRANSPORTS,
    short,
    holds: `${name} while a mount starts: nothing stays mounted or locked, and the next mount works`,
    async body(place) {
      const image = await place.qcow2('disk.qcow2', IMAGE_SECTORS);
      for (const ms of place.isShort ? SHORT_STARTING_MS : STARTING_MS) {
        const mounted = await place.startMount([`disk=${image.path}`]);
        await delay(ms);
        await strike(mounted);
        await mounted.ended(0, 1, 4, 5, null);
        if (await mounted.isMounted()) {
          const { code, stderr } = await mounted.umount();
          insist(code === 0, `umount after ${ms} ms ends with ${code}: ${stderr}`);
        }
        insist(!(await mounted.isMounted()), `after ${ms} ms it stays mounted`);
      }
      await remount(place, image);
    },
  };
}

/** As soon as it is mounted, ready or not. */
async function onceMounted(mounted: Mounted, ...words: string[]): Promise<void> {
  await eventually(30_000, async () => (await mounted.isMounted()) || !mounted.isAlive());
  const unmounts = async (): Promise<boolean> => {
    await outcomeOf('umount', ['-i', ...words, mounted.point], 10_000);
    return !(await mounted.isMounted());
  };
  insist(await eventually(10_000, unmounts), `umount ${words} does not unmount`);
}

const STARTING: readonly Scenario[] = [
  whileStarting('SIGKILL', async (mounted) => mounted.signal('SIGKILL')),
  whileStarting('SIGTERM', async (mounted) => mounted.signal('SIGTERM')),
  whileStarting('SIGQUIT', async (mounted) => mounted.signal('SIGQUIT')),
  whileStarting('umount', (mounted) => onceMounted(mounted)),
  whileStarting('umount-force', (mounted) => onceMounted(mounted, '-f'), ['fuse-native']),
  whileStarting('abort', async (mounted) => {
    await eventually(30_000, async () => (await mounted.isMounted()) || !mounted.isAlive());
    writeFileSync(`/sys/fs/fuse/connections/${connectionOf(mounted.point)}/abort`, '1');
  }),
  whileStarting('umount-lazy', (mounted) => onceMounted(mounted, '-l')),
];

/** The last flush takes three seconds: 32 tables. A blow comes within half a second, or later on a busy machine. */
const FLUSH_WRITES_A_SECOND = 10;
/** Some of 16 writes are under way when a daemon is killed. */
const LOAD_WRITES_A_SECOND = 40;

function whileFlushing(
  name: string,
  strike: (mounted: Mounted) => void,
  codes: (number | null)[],
  short: readonly Transport[] = [],
): Scenario {
  return {
    name: `${name}-flushing`,
    needs: ['qemu', 'blkio'],
    transports: TRANSPORTS,
    short,
    holds: `${name} during the last flush: what was synced is there, the tables are sound, the next mount works`,
    async body(place) {
      const scene = await makeScene(place, [], 8, 'cluster_size=4096');
      const { image, mounted, load } = scene;
      await writeSome(scene);
      await writeApart(scene);
      await load.close();
      await place.slowDisk(mounted.pid, image.path, FLUSH_WRITES_A_SECOND);
      const unmounts = async (): Promise<boolean> => {
        return (await outcomeOf('umount', ['-i', mounted.point], 5000)).code === 0;
      };
      insist(await eventually(10_000, unmounts), 'it cannot be unmounted');
      await delay(place.random.below(300));
      strike(mounted);
      await mounted.ended(...codes);
      const isOver = codes.includes(0);
      await place.verify(image, isOver ? 'kept' : 'cut', isOver ? 'sound' : 'leaks at most');
      await remount(place, image);
    },
  };
}

/** The next mount comes while writes of the killed daemon are under way. */
const restarted: Scenario = {
  name: 'SIGKILL-restart',
  needs: ['qemu', 'blkio'],
  transports: TRANSPORTS,
  short: ['uring'],
  holds:
    'a mount right after a kill waits for the writes of the killed daemon, and nothing of them comes later',
  async body(place) {
    const scene = await makeScene(place, [], 16, 'cluster_size=4096');
    const { image, mounted, load } = scene;
    await writeSome(scene);
    await place.slowDisk(mounted.pid, image.path, LOAD_WRITES_A_SECOND);
    load.start();
    await delay(1000);
    load.allow(...GONE);
    mounted.signal('SIGKILL');
    await mounted.ended(null);
    await mounted.umount();
    const next = await place.mount([`disk=${image.path}`]);
    await load.stop();
    await load.close();
    // Everything is read twice through the new mount: what it shows first it must show later.
    const fd = await scene.agent.open(next.file(), O_RDWR);
    const { model } = image;
    const seen: Uint32Array[] = [];
    for (const isAgain of [false, true]) {
      for (let sector = 0; sector < model.sectors; sector += MIB_SECTORS) {
        const task = { fd, image: model.image, sector, count: MIB_SECTORS } as const;
        const { generations } = await scene.agent.ask({ call: 'read', ...task });
        const wrong = model.difference(sector, generations!, 'cut');
        insist(wrong === null, `read: ${wrong}`);
        if (!isAgain) seen.push(generations!);
      }
      await delay(500);
    }
    model.adopt(
      model.sectors,
      (sector) => seen[Math.floor(sector / MIB_SECTORS)][sector % MIB_SECTORS],
    );
    await scene.agent.result({ call: 'close', fd });
    await next.finish();
    await place.verify(image, 'kept', 'leaks at most');
  },
};

const FLUSHING: readonly Scenario[] = [
  restarted,
  whileFlushing('SIGKILL', (mounted) => mounted.signal('SIGKILL'), [null], ['uring']),
  whileFlushing('SIGKILL-thread', (mounted) => mounted.signalThread('SIGKILL'), [null]),
  whileFlushing('SIGQUIT', (mounted) => mounted.signal('SIGQUIT'), [5]),
  whileFlushing('SIGTERM', (mounted) => mounted.signal('SIGTERM'), [0]),
];

export const MOMENTS: readonly Scenario[] = [...STARTING, ...FLUSHING];
