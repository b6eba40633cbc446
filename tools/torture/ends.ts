import { constants, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { declare } from '../../src/sys/libc.js';
import { outcomeOf, run } from '../lib/process.js';
import type { Agent } from '../verifier/agent.js';
import { Load } from '../verifier/load.js';
import { SECTOR } from '../verifier/stamps.js';
import type { Mounted } from './mounted.js';
import type { Need } from './needs.js';
import { eventually, insist, type Place, type TestImage } from './place.js';
import { type Scenario, TRANSPORTS, type Transport } from './scenario.js';

// Every way to end a mount from outside, in every state that it can be in.

const MIB_SECTORS = 2048;
const IMAGE_SECTORS = 64 * MIB_SECTORS;
const { O_RDWR } = constants;

/** Errors of calls on a mount that is ending or gone. */
const GONE = ['ENOTCONN', 'ECONNABORTED', 'EIO', 'ENODEV'] as const;

const tgkill = declare('int syscall(long number, long pid, long thread, long signal)');
const SYS_TGKILL = 234;
const SIGKILL = 9;
const SIGSEGV = 11;

/** A mount in one of the states, with what it takes to go on from there. */
interface Scene {
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

interface State {
  name: string;
  needs: readonly Need[];
  /** Brings a mount with an open file into the state. */
  enter(place: Place): Promise<Scene>;
}

async function makeScene(
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

function connectionOf(point: string): number {
  const lines = readFileSync('/proc/self/mountinfo', 'utf8').split('\n');
  const line = lines.find((one) => one.split(' ')[4] === point);
  return Number(line?.split(' ')[2].split(':')[1]);
}

/** One write that is synced, one that is not: something to lose, and something that may not be lost. */
async function writeSome({ agent, load, image }: Scene): Promise<void> {
  load.start();
  await load.progress(60);
  await load.stop();
  const mark = image.model.sync();
  const result = await agent.result({ call: 'sync', fd: load.fd });
  insist(result === 0, `sync returns ${result}`);
  image.model.synced(mark);
}

const STATES: readonly State[] = [
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
async function writeApart({ agent, image, load }: Scene): Promise<void> {
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

/** A way to end a mount, and what must hold after it. */
interface Blow {
  name: string;
  needs: readonly Need[];
  strike(scene: Scene): Promise<void>;
}

/** What remains to be done when calls have failed: close, remove a dead mount, look at the image. */
async function afterDeath(
  scene: Scene,
  codes: (number | null)[],
  isKilled: boolean,
): Promise<void> {
  const { place, image, mounted, load } = scene;
  await scene.release();
  await load.stop();
  await mounted.ended(...codes);
  await load.close();
  if (await mounted.isMounted()) {
    const { code, stderr } = await mounted.umount();
    insist(code === 0, `umount of the dead mount ends with ${code}: ${stderr}`);
  }
  insist(!(await mounted.isMounted()), 'it stays mounted');
  await place.verify(image, isKilled ? 'cut' : 'kept', isKilled ? 'leaks at most' : 'sound');
  await remount(place, image);
}

/** The image can be mounted again and takes load. */
async function remount(place: Place, image: TestImage): Promise<void> {
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

function killed(name: string, kill: (mounted: Mounted) => void, codes: (number | null)[]): Blow {
  return {
    name,
    needs: [],
    async strike(scene) {
      scene.load.allow(...GONE);
      kill(scene.mounted);
      await afterDeath(scene, codes, true);
    },
  };
}

/** Signals the last thread: with uring it is the data plane's or one that it has started. */
function toThread(signal: number): (mounted: Mounted) => void {
  return (mounted) => void tgkill(SYS_TGKILL, mounted.pid, mounted.threads().at(-1)!, signal);
}

/** The kernel ends the connection beneath the daemon, which ends in order. */
function aborted(
  name: string,
  needs: readonly Need[],
  abort: (scene: Scene) => Promise<void>,
): Blow {
  return {
    name,
    needs,
    async strike(scene) {
      scene.load.allow(...GONE);
      await abort(scene);
      await afterDeath(scene, [0], false);
    },
  };
}

/** The mount goes on for those that have it open. */
const lazily: Blow = {
  name: 'umount-lazy',
  needs: [],
  async strike(scene) {
    const { place, image, mounted, load } = scene;
    await run('umount', ['-i', '-l', mounted.point]);
    insist(!(await mounted.isMounted()), 'it stays mounted');
    await scene.release();
    if (load.isIdle) load.start();
    if (!(await isServed(load))) {
      // Its groups can be reached no more: this is how it is ended then.
      const { code, stderr } = await place.sluice(['umount', '--force', String(mounted.pid)]);
      insist(code === 0, `umount --force PID ends with ${code}: ${stderr}`);
      load.allow(...GONE);
    }
    await load.stop();
    await load.close();
    await mounted.ended(0);
    await place.verify(image);
  },
};

/** Whether a load gets answers now. */
async function isServed(load: Load): Promise<boolean> {
  const before = load.answered;
  return eventually(3000, () => load.answered >= before + 20);
}

/** A mount in use stays, as it was. */
const byFusermount: Blow = {
  name: 'fusermount3',
  needs: ['fusermount3'],
  async strike(scene) {
    const { place, image, mounted, load } = scene;
    const { code } = await outcomeOf('fusermount3', ['-u', mounted.point], 5000);
    insist(code !== 0, 'fusermount3 -u unmounts a mount in use');
    await scene.release();
    if (!load.isIdle && !(await isServed(load))) {
      const result = await scene.agent.result({
        call: 'put',
        path: mounted.control('slow/io.max'),
        text: 'bps=max',
      });
      insist(result === 0 || result === -2, `the limit cannot be taken back: ${result}`);
    }
    await load.stop();
    await load.close();
    const unmounts = async (): Promise<boolean> => {
      return (await outcomeOf('fusermount3', ['-u', mounted.point], 5000)).code === 0;
    };
    insist(
      await eventually(10_000, unmounts),
      'fusermount3 -u fails on a mount that is not in use',
    );
    await mounted.ended(0);
    await place.verify(image);
  },
};

/** In order, though in use: calls that are answered are kept. */
const terminated: Blow = {
  name: 'SIGTERM',
  needs: [],
  async strike(scene) {
    scene.load.allow(...GONE);
    scene.mounted.signal('SIGTERM');
    await afterDeath(scene, [0], false);
  },
};

const BLOWS: readonly Blow[] = [
  killed('SIGKILL', (mounted) => mounted.signal('SIGKILL'), [null]),
  killed('SIGKILL-thread', toThread(SIGKILL), [null]),
  killed('SIGSEGV-thread', toThread(SIGSEGV), [null]),
  killed('SIGQUIT', (mounted) => mounted.signal('SIGQUIT'), [5]),
  terminated,
  aborted('abort', ['fusectl'], async ({ place, connection }) => {
    const folder = '/sys/fs/fuse/connections';
    if (readdirSync(folder).length === 0) await place.fusectl();
    writeFileSync(`${folder}/${connection}/abort`, '1');
  }),
  aborted('umount-force', [], async ({ mounted }) => {
    // It ends the connection, and then finds the mount in use.
    await outcomeOf('umount', ['-i', '-f', mounted.point], 10_000);
  }),
  lazily,
  byFusermount,
];

/** The states and blows of the short form, with their transports. */
const SHORT: Readonly<Record<string, readonly Transport[]>> = {
  'SIGKILL-loaded': ['uring'],
  'SIGKILL-thread-throttled': ['uring'],
  'abort-throttled': ['uring', 'fuse-native'],
  'umount-force-stopped': ['uring'],
  'umount-lazy-loaded': ['uring'],
  'SIGTERM-syncing': ['fuse-native'],
};

function inState(blow: Blow, state: State): Scenario {
  const name = `${blow.name}-${state.name}`;
  return {
    name,
    needs: ['qemu', ...state.needs, ...blow.needs],
    transports: TRANSPORTS,
    short: SHORT[name] ?? [],
    holds: `${blow.name} while it is ${state.name}: calls end, nothing stays mounted, the image is sound, what was promised is there`,
    async body(place) {
      await blow.strike(await state.enter(place));
    },
  };
}

/** The times after its start at which a mount is struck, milliseconds. */
const STARTING_MS = [20, 60, 100, 140, 180, 220, 260, 300, 350, 400, 500];

/** A blow while a mount starts: at many moments, most of them before it is ready. */
function whileStarting(name: string, strike: (mounted: Mounted) => Promise<unknown>): Scenario {
  return {
    name: `${name}-starting`,
    needs: ['qemu'],
    transports: TRANSPORTS,
    short: [],
    holds: `${name} while a mount starts: nothing stays mounted or locked, and the next mount works`,
    async body(place) {
      const image = await place.qcow2('disk.qcow2', IMAGE_SECTORS);
      for (const ms of STARTING_MS) {
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
  whileStarting('umount-force', (mounted) => onceMounted(mounted, '-f')),
  whileStarting('umount-lazy', (mounted) => onceMounted(mounted, '-l')),
];

/** The last flush takes about a second here: 32 tables at 40 writes a second. */
const FLUSH_WRITES_A_SECOND = 40;

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
    await place.slowDisk(mounted.pid, image.path, FLUSH_WRITES_A_SECOND);
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
  whileFlushing('SIGKILL-thread', toThread(SIGKILL), [null]),
  whileFlushing('SIGQUIT', (mounted) => mounted.signal('SIGQUIT'), [5]),
  whileFlushing('SIGTERM', (mounted) => mounted.signal('SIGTERM'), [0]),
];

export const ENDS: readonly Scenario[] = [
  ...BLOWS.flatMap((blow) => STATES.map((state) => inState(blow, state))),
  ...STARTING,
  ...FLUSHING,
];
