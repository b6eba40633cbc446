import { isOfImage, parseMember } from '../control/members.js';
import { adoptMount, type FuseMount } from '../fuse/mount.js';
import { type KeptState, type PackedState, unpack } from '../plane/kept-state.js';
import { SnapshotFile } from '../plane/snapshot-file.js';
import type { Deadline } from '../sys/deadline.js';
import { commandLine } from '../sys/processes.js';
import {
  EXIT_DAEMON,
  EXIT_FAILED,
  fromRecord,
  NO_DESCRIPTORS,
  recordOf,
  SluiceError,
} from '../util/errors.js';
import type { MountConfig } from './config.js';
import { EndRecord } from './end-record.js';
import { DEATHS_MAX, DEATHS_MS, GUARD, KEPT, KEPT_STATE, Keeper, type Kept } from './keeper.js';
import type { Log } from './log.js';
import { PlaneWorker } from './plane-thread.js';
import { identify, isRunning, KEEPER_NAME, type ProcessId } from './processes.js';
import type { Start } from './run.js';
import { type Handed, STATE_VERSION } from './successor.js';
import { adopt, goOn, type Succession } from './take-over.js';

/**
 * Goes on with the mount of a daemon that has died; or says why no daemon can, and leaves the mount dead: taken away it would
 * have programs write to the folder beneath.
 *
 * @param pid The keeper, which has started this process.
 * @param deadline For this process to serve.
 */
export async function resume(pid: number, deadline: Deadline): Promise<Succession> {
  const config = { guard: adopt(GUARD), state: adopt(KEPT_STATE) };
  const file = new SnapshotFile(adopt(KEPT));
  const before = file.read() as Kept;
  const now = bootMs();
  const deaths = deathsOf(before, now);
  const kept = { ...before, deaths, daemon: own(), serves: false };
  const keeper = Keeper.adopt(config, file, kept, pid);
  const record = new EndRecord(kept.record < 0 ? -1 : adopt(kept.record));
  const packed = new SnapshotFile(config.state).read() as PackedState | null;
  const state = packed === null ? null : unpack(packed);
  const refused = refusal(kept, state !== null);
  if (refused !== null || state === null) {
    const serve = async (): Promise<never> => {
      // Nobody has used it yet, and who mounts is told.
      if (state === null) await mountOf(kept).unmount(true);
      await keeper.stop();
      record.write(refused);
      throw refused;
    };
    return { config: kept.config, serve, record };
  }
  const dead = before.daemon.pid;
  if (isRunning(before.daemon)) throw new Error(`pid ${dead} has it still`);
  file.write(kept satisfies Kept);
  const worker = new PlaneWorker();
  const handed = handedOf(kept, state, 1e6 * now - 1e9 * process.uptime());
  const { images, groups, assignments, depth } = handed;
  const asked = { ...handed.config, images, groups, assignments, depth };
  const predecessor = { pid: dead, turn: async () => {}, gone: Promise.resolve() };
  await worker.loaded;
  const serve = async (_config: MountConfig, log: Log, start: Start): Promise<void> => {
    log.warn(`pid ${dead} ${before.serves ? 'has died' : 'has ended before it served'}`);
    const mount = mountOf(handed);
    const progress = (): void => deadline.renew();
    try {
      await goOn(handed, asked, mount, worker, predecessor, { ...log, progress }, start, keeper);
    } catch (error) {
      if (!start.isUnwanted()) throw error;
      // A signal has asked for the end: nobody else is to try.
      await mount.unmount(true);
      await keeper.stop();
      record.write(fromRecord(recordOf(error)));
      throw error;
    } finally {
      deadline.end();
    }
  };
  return { config: asked, record, serve };
}

/** Ends the shell that waits for the end of this process before it can take signals. The keeper is another one. */
export function endStarter(keeper: number): void {
  const { ppid } = process;
  const isShell = commandLine(ppid)?.includes(KEEPER_NAME) === true;
  if (isShell && ppid !== keeper) process.kill(ppid, 'SIGKILL');
}

/** When daemons that served have died of late, with this death. */
export function deathsOf(
  { version, deaths, serves }: Pick<Kept, 'version' | 'deaths' | 'serves'>,
  now: number,
): number[] {
  if (version !== STATE_VERSION) return [];
  return [...deaths.filter((one) => now - one < DEATHS_MS), ...(serves ? [now] : [])];
}

function mountOf({
  config,
  fuse,
  byFusermount,
}: Pick<Kept, 'config' | 'fuse' | 'byFusermount'>): FuseMount {
  return adoptMount(config.mountpoint, adopt(fuse), byFusermount);
}

/** @throws SluiceError EMFILE */
function own(): ProcessId {
  const found = identify(process.pid);
  if (found === null) throw new SluiceError(NO_DESCRIPTORS.EMFILE!, 'EMFILE', EXIT_FAILED);
  return found;
}

/**
 * Why no daemon may go on; null: this one may.
 * @param hasBegun The kernel has been told what the mount can do.
 */
export function refusal(
  { version, deaths, config }: Pick<Kept, 'version' | 'deaths' | 'config'>,
  hasBegun: boolean,
): SluiceError | null {
  const why =
    version !== STATE_VERSION
      ? `has state ${version}, and the daemon that is installed knows state ${STATE_VERSION}`
      : !hasBegun
        ? 'was not ready yet'
        : deaths.length > DEATHS_MAX
          ? `has died ${deaths.length} times in a minute`
          : null;
  if (why === null) return null;
  const { mountpoint } = config;
  const left = hasBegun ? `is dead: sluice umount ${mountpoint} removes it` : 'has been removed';
  const what = `its daemon ${why}; the mount ${left}`;
  return new SluiceError(`${mountpoint}: ${what}`, 'EIO', EXIT_DAEMON);
}

/**
 * From the state to the next one, or to the death, groups may have used all that their limits let pass. And images may have
 * been written. One that was just coming does not come.
 *
 * @param deadNs A time after the death, CLOCK_MONOTONIC, ns.
 */
export function handedOf(
  kept: Kept,
  { plane, session, ...groups }: KeptState,
  deadNs: number,
): Handed {
  const { version: _version, deaths: _deaths, daemon: _daemon, serves: _serves, ...handed } = kept;
  const written = new Set(
    kept.images
      .filter(({ own }) => !(own?.readOnly ?? kept.config.readOnly))
      .map(({ name }) => name),
  );
  const images = plane.images.map((image) => {
    return { ...image, dirty: image.dirty || written.has(image.name) };
  });
  const unseenNs = Math.min(plane.unseenNs ?? Infinity, Math.max(0, deadNs - plane.atNs));
  const assignments = groups.assignments.filter(({ member }) => {
    const parsed = parseMember(member);
    return parsed.kind !== 'image' || kept.images.some(({ name }) => isOfImage(parsed.name, name));
  });
  return {
    ...handed,
    ...groups,
    assignments,
    state: { plane: { ...plane, images, unseenNs, hasDied: true }, session },
  };
}

function bootMs(): number {
  return Number(process.hrtime.bigint() / 1_000_000n);
}
