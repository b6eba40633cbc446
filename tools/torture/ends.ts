import { writeFileSync } from 'node:fs';
import { outcomeOf, run } from '../lib/process.js';
import type { Load } from '../verifier/load.js';
import type { Mounted } from './mounted.js';
import type { Need } from './needs.js';
import { eventually, insist } from './place.js';
import { type Scenario, TRANSPORTS, type Transport } from './scenario.js';
import { GONE, remount, type Scene, STATES, type State } from './states.js';

// Every way to end a mount from outside, in every state that it can be in.

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
      load.allow(...GONE);
      const { code, stderr } = await place.sluice(['umount', '--force', String(mounted.pid)]);
      insist(code === 0, `umount --force PID ends with ${code}: ${stderr}`);
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
  killed('SIGKILL-thread', (mounted) => mounted.signalThread('SIGKILL'), [null]),
  killed('SIGSEGV-thread', (mounted) => mounted.signalThread('SIGSEGV'), [null]),
  killed('SIGQUIT', (mounted) => mounted.signal('SIGQUIT'), [5]),
  terminated,
  aborted('abort', ['fusectl'], async ({ connection }) => {
    writeFileSync(`/sys/fs/fuse/connections/${connection}/abort`, '1');
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

export const ENDS: readonly Scenario[] = BLOWS.flatMap((blow) =>
  STATES.map((state) => inState(blow, state)),
);
