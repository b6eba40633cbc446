import { constants, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { Agent } from '../verifier/agent.js';
import { Load } from '../verifier/load.js';
import { SECTOR } from '../verifier/stamps.js';
import type { Mounted } from './mounted.js';
import type { Need } from './needs.js';
import { eventually, insist, type Place, type TestImage } from './place.js';

// The states that a mount can be in when something happens to it.

export const MIB_SECTORS = 2048;
export const IMAGE_SECTORS = 64 * MIB_SECTORS;
const { O_RDWR } = constants;

/** A mount in one of the states, with what it takes to go on from there. */
export interface Scene {
  place: Place;
  image: TestImage;
  mounted: Mounted;
  agent: Agent;
  load: Load;
  /** The minor number of its device: the name of its connection. */
  connection: number;
  /** Undoes what keeps the daemon from going on. */
  release(): Promise<void>;
}

export interface State {
  name: string;
  needs: readonly Need[];
  /** Brings a mount with an open file into the state. */
  enter(place: Place): Promise<Scene>;
}

export async function makeScene(
  place: Place,
  words: readonly string[],
  depth: number,
  options = 'cluster_size=65536',
): Promise<Scene> {
  const image = await place.qcow2('disk.qcow2', IMAGE_SECTORS, options);
  const mounted = await place.mount([`disk=${image.path}`], words);
  const agent = place.agent();
  const fd = await agent.open(mounted.file(), O_RDWR);
  const load = new Load(agent, fd, image.model, place.random, { depth });
  const connection = connectionOf(mounted.point);
  return { place, image, mounted, agent, load, connection, release: async () => {} };
}

/** The number of the connection of a mount: the minor number of its device. */
export function connectionOf(point: string): number {
  const lines = readFileSync('/proc/self/mountinfo', 'utf8').split('\n');
  const line = lines.find((one) => one.split(' ')[4] === point);
  return Number(line?.split(' ')[2].split(':')[1]);
}

/** One write that is synced, one that is not: something to lose, and something that may not be lost. */
export async function writeSome({ agent, load, image }: Scene): Promise<void> {
  load.start();
  await load.progress(60);
  await load.stop();
  const mark = image.model.sync();
  const result = await agent.result({ call: 'sync', fd: load.fd });
  insist(result === 0, `sync returns ${result}`);
  image.model.synced(mark);
}

export const STATES: readonly State[] = [
  {
    name: 'idle',
    needs: [],
    async enter(place) {
      const scene = await makeScene(place, [], 8);
      await writeSome(scene);
      return scene;
    },
  },
  {
    name: 'loaded',
    needs: [],
    async enter(place) {
      const scene = await makeScene(place, [], 16);
      scene.load.start();
      await scene.load.progress(200);
      return scene;
    },
  },
  {
    name: 'throttled',
    needs: [],
    async enter(place) {
      const words = ['--group', 'slow:bps=max', '--assign', 'disk=slow'];
      const scene = await makeScene(place, words, 8);
      await writeSome(scene);
      const path = scene.mounted.control('slow/io.max');
      const result = await scene.agent.result({ call: 'put', path, text: 'bps=1' });
      insist(result === 0, `the limit cannot be set: ${result}`);
      scene.load.start();
      const waits = async (): Promise<boolean> => (await scene.mounted.figures('slow')).queued >= 4;
      insist(await eventually(20_000, waits), 'no requests wait');
      return scene;
    },
  },
  {
    name: 'stopped',
    needs: [],
    async enter(place) {
      const scene = await makeScene(place, [], 16);
      scene.load.start();
      await scene.load.progress(200);
      scene.mounted.signal('SIGSTOP');
      return { ...scene, release: async () => scene.mounted.signal('SIGCONT') };
    },
  },
  {
    name: 'syncing',
    needs: ['blkio'],
    async enter(place) {
      const scene = await makeScene(place, [], 8, 'cluster_size=4096');
      await writeSome(scene);
      await writeApart(scene);
      await place.slowDisk(scene.mounted.pid, scene.image.path, 20);
      scene.load.start();
      // Its answer is of no interest: it is under way when the blow comes.
      void scene.agent.result({ call: 'sync', fd: scene.load.fd }).catch(() => {});
      await delay(200);
      return scene;
    },
  },
];

/** Changes many tables of an image with clusters of 4 KiB: each covers 2 MiB. */
export async function writeApart({ agent, image, load }: Scene): Promise<void> {
  const { model } = image;
  for (let sector = 8; sector < model.sectors; sector += 2 * MIB_SECTORS) {
    const change = model.begin(sector, 8);
    const { generation } = change;
    const range = { fd: load.fd, image: model.image, sector, count: 8, generation };
    const result = await agent.result({ call: 'write', ...range });
    insist(result === 8 * SECTOR, `write returns ${result}`);
    model.answer(change, 8);
  }
}

/** Errors of calls on a mount that is ending or gone. */
export const GONE = ['ENOTCONN', 'ECONNABORTED', 'EIO', 'ENODEV'] as const;

/** The image can be mounted again and takes load. */
export async function remount(place: Place, image: TestImage): Promise<void> {
  const mounted = await place.mount([`disk=${image.path}`]);
  const agent = place.agent();
  const fd = await agent.open(mounted.file(), O_RDWR);
  const load = new Load(agent, fd, image.model, place.random);
  load.start();
  await load.progress(60);
  await load.stop();
  await load.close();
  await mounted.finish();
  await place.verify(image, 'kept', 'leaks at most');
}
