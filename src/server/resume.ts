import { isOfImage, parseMember } from '../control/members.js';
import { adoptMount } from '../fuse/mount.js';
import type { KeptState } from '../plane/messages.js';
import { SnapshotFile } from '../plane/snapshot-file.js';
import { EXIT_DAEMON, SluiceError } from '../util/errors.js';
import { EndRecord } from './end-record.js';
import { GUARD, KEPT, KEPT_STATE, Keeper, type Kept, STARTS_MAX, STARTS_MS } from './keeper.js';
import { PlaneWorker } from './plane-thread.js';
import { identify, isRunning } from './processes.js';
import { type Handed, STATE_VERSION } from './successor.js';
import { adopt, goOn, type Succession } from './take-over.js';

/**
 * Goes on with the mount of a daemon that has died; or ends it, if no daemon can go on.
 *
 * @param pid The keeper, which has started this process.
 */
export async function resume(pid: number): Promise<Succession> {
  const guard = adopt(GUARD);
  const file = new SnapshotFile(adopt(KEPT));
  const config = { state: adopt(KEPT_STATE), guard };
  const kept = file.read() as Kept;
  const dead = kept.daemon.pid;
  if (isRunning(kept.daemon)) throw new Error(`pid ${dead} serves ${kept.config.mountpoint} still`);
  const now = bootMs();
  const starts = [...kept.starts.filter((one) => now - one < STARTS_MS), now];
  file.write({ ...kept, starts, daemon: identify(process.pid)! } satisfies Kept);
  const keeper = Keeper.adopt(config, starts, pid);
  const record = new EndRecord(kept.record < 0 ? -1 : adopt(kept.record));
  const state = new SnapshotFile(config.state).read() as KeptState | null;
  const refused = refusal({ ...kept, starts }, state !== null);
  if (refused !== null || state === null) {
    const serve = async (): Promise<never> => {
      const mount = adoptMount(kept.config.mountpoint, kept.fuse, kept.byFusermount);
      await mount.unmount(true);
      await keeper.stop();
      record.write(refused);
      throw refused;
    };
    return { config: kept.config, serve, record };
  }
  const worker = new PlaneWorker();
  const handed = handedOf(kept, state, 1e6 * now - 1e9 * process.uptime());
  const { images, groups, assignments, depth } = handed;
  const asked = { ...handed.config, images, groups, assignments, depth };
  const before = { pid: dead, turn: async () => {}, gone: Promise.resolve() };
  await worker.loaded;
  return {
    config: asked,
    record,
    serve: (_config, log, start) => {
      log.warn(`pid ${dead} has died`);
      return goOn(handed, asked, worker, before, log, start, keeper);
    },
  };
}

/**
 * Why no daemon may go on; null: this one may.
 * @param hasBegun The kernel has been told what the mount can do.
 */
export function refusal(
  { version, starts, config }: Pick<Kept, 'version' | 'starts' | 'config'>,
  hasBegun: boolean,
): SluiceError | null {
  const why =
    version !== STATE_VERSION
      ? `has state ${version}, and the daemon that is installed knows state ${STATE_VERSION}`
      : !hasBegun
        ? 'was not ready yet'
        : starts.length > STARTS_MAX
          ? `has died ${STARTS_MAX + 1} times in a minute`
          : null;
  if (why === null) return null;
  const what = `its daemon ${why}; the mount has been aborted`;
  return new SluiceError(`${config.mountpoint}: ${what}`, 'EIO', EXIT_DAEMON);
}

/**
 * From the state to the death groups may have used all that their limits let pass: that time does not count as passed. And
 * images may have been written. One that was just coming does not come.
 *
 * @param deadNs A time after the death, CLOCK_MONOTONIC, ns.
 */
export function handedOf(
  kept: Kept,
  { plane, session, ...groups }: KeptState,
  deadNs: number,
): Handed {
  const { version: _version, starts: _starts, daemon: _daemon, ...handed } = kept;
  const written = new Set(
    kept.images
      .filter(({ own }) => !(own?.readOnly ?? kept.config.readOnly))
      .map(({ name }) => name),
  );
  const images = plane.images.map((image) => {
    return { ...image, dirty: image.dirty || written.has(image.name) };
  });
  const assignments = groups.assignments.filter(({ member }) => {
    const parsed = parseMember(member);
    return parsed.kind !== 'image' || kept.images.some(({ name }) => isOfImage(parsed.name, name));
  });
  return {
    ...handed,
    ...groups,
    assignments,
    state: { plane: { ...plane, images, atNs: deadNs, hasDied: true }, session },
  };
}

function bootMs(): number {
  return Number(process.hrtime.bigint() / 1_000_000n);
}
