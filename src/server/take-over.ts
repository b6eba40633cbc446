import { setTimeout as sleep } from 'node:timers/promises';
import { adoptMount, type FuseMount, isGone } from '../fuse/mount.js';
import { resend } from '../fuse/notify.js';
import type { PlaneEvent } from '../plane/messages.js';
import { F_DUPFD_CLOEXEC } from '../sys/constants.js';
import { close, fcntl } from '../sys/libc.js';
import { assert } from '../util/assert.js';
import { errnoName } from '../util/errno.js';
import { EXIT_FAILED, fromRecord, SluiceError } from '../util/errors.js';
import { ApiSocket } from './api-socket.js';
import type { MountConfig } from './config.js';
import { EndRecord } from './end-record.js';
import { closeUnused, type HandedHold, withHolds } from './holds.js';
import type { Keeper } from './keeper.js';
import type { Log } from './log.js';
import { openDisks } from './open-disks.js';
import type { OpenImages } from './open-images.js';
import { OrderKey } from './order-key.js';
import { addOverlays } from './overlay.js';
import { aboutDaemon, PlaneThread, PlaneWorker } from './plane-thread.js';
import type { Serve, Start } from './run.js';
import { listenForMetrics, type MetricsFaces, newKeeper, ringSession } from './serve.js';
import { type FromSuccessor, type Handed, STATE_VERSION, type ToSuccessor } from './successor.js';

/** The only one whose mounts another process can go on with. */
const TRANSPORT = 'uring';

/** The daemon that serves the mount, seen from the process that is to go on in its place. */
class Predecessor {
  readonly #pid: number;
  #state: (handed: Handed) => void = () => {};
  #turn: () => void = () => {};
  /** It has ended, or has nothing more to say. */
  readonly gone: Promise<void>;

  constructor(pid: number) {
    this.#pid = pid;
    process.on('message', (message: ToSuccessor) => {
      if (message.kind === 'state') this.#state(message.handed);
      else if (message.kind === 'go') this.#turn();
    });
    this.gone = new Promise((resolve) => {
      process.once('disconnect', resolve);
    });
  }

  get pid(): number {
    return this.#pid;
  }

  /** The state of the mount. If the other one ends before, there is nothing to take over. */
  state(): Promise<Handed> {
    return new Promise((resolve, reject) => {
      this.#state = resolve;
      void this.gone.then(() => reject(withdrawn()));
      say({ kind: 'loaded', version: STATE_VERSION });
    });
  }

  /** Resolves when the mount is this process's: the other one says so, or is dead. */
  turn(): Promise<void> {
    return new Promise((resolve) => {
      this.#turn = resolve;
      void this.gone.then(resolve);
      say({ kind: 'prepared' });
    });
  }
}

function say(message: FromSuccessor): void {
  // An error means that the other one is gone, and that is told by `disconnect`.
  if (process.connected) process.send!(message, undefined, undefined, () => {});
}

function withdrawn(): SluiceError {
  return new SluiceError('the daemon before has ended', 'EIO', EXIT_FAILED);
}

/** A mount to go on with, and how. */
export interface Succession {
  config: MountConfig;
  serve: Serve;
  record: EndRecord;
}

/** Waits for the state of a mount that another process serves. */
export async function succeed({
  pid,
}: Extract<ToSuccessor, { kind: 'take-over' }>): Promise<Succession> {
  // It loads its program while the mount is served.
  const worker = new PlaneWorker();
  const predecessor = new Predecessor(pid);
  await worker.loaded;
  const handed = await predecessor.state();
  const { config, images, groups, assignments, depth } = handed;
  const asked = { ...config, images, groups, assignments, depth };
  return {
    config: asked,
    serve: async (_config, log, start) => {
      const mount = adoptMount(config.mountpoint, adopt(handed.fuse), handed.byFusermount);
      await goOn(handed, asked, mount, worker, predecessor, log, start);
    },
    record: new EndRecord(handed.record < 0 ? -1 : adopt(handed.record)),
  };
}

/**
 * Opens everything, waits for its turn, and serves.
 *
 * @param keeper That of the mount, if this process has one already.
 */
export async function goOn(
  handed: Handed,
  config: MountConfig,
  mount: FuseMount,
  worker: PlaneWorker,
  predecessor: Pick<Predecessor, 'pid' | 'turn' | 'gone'>,
  log: Log,
  start: Start,
  keeper: Keeper | null = null,
): Promise<void> {
  const fuse = mount.fd;
  const holds = handed.holds.map((hold): HandedHold => {
    const { descriptor, claim, memory } = hold;
    const others = { claim: adoptAny(claim), memory: adoptAny(memory) };
    return { ...hold, descriptor: adopt(descriptor), ...others };
  });
  const images = withHolds(config.images, holds);
  const { config: overlaid, made } = addOverlays({ ...config, images });
  assert(made.length === 0, `${made[0]} was made anew`);
  const opened = await openDisks(overlaid, log);
  checkIdentities(opened, handed.identities);
  closeUnused(holds);
  const api = new ApiSocket(log);
  const key = new OrderKey();
  const about = aboutDaemon(TRANSPORT, start.record.path, key.path);
  const kept = keeper ?? (await newKeeper(config));
  // Until it is this process's turn, an end of the data plane is none of the mount.
  let tell: (event: PlaneEvent) => void;
  const plane = await new Promise<PlaneThread>((resolve, reject) => {
    tell = (event) => reject(endOf(event));
    const device = { fuse, queues: 0, before: handed.state, keep: kept?.config };
    const told = (event: PlaneEvent): void => tell(event);
    const thread = new PlaneThread(worker, config, opened.disks, device, about, log, told);
    thread.held = () => resolve(thread);
  });
  await predecessor.turn();
  const served = new Promise<void>((resolve) => {
    tell = (event) => {
      start.tell(event);
      if (event.kind === 'ready') resolve();
    };
  });
  opened.closing = () => api.close();
  const faces = { metrics: { server: null, writer: null }, api, sharing: null };
  const asRead = handed.config;
  const parts = { config, asRead, transport: TRANSPORT, opened, faces, key, start, log } as const;
  const { session, show, keep, lost } = ringSession(parts, mount, plane, kept);
  start.mounted(session);
  const refused = await resend(fuse);
  // Without the mount there is nobody who waits.
  if (refused !== 0 && !isGone(fuse))
    log.error(`requests of before are not sent again: ${errnoName(-refused)}`);
  // Its death counts from now on.
  keeper?.serves();
  plane.goOn();
  log.info(`goes on in the place of pid ${predecessor.pid}`);
  await api.listen(mount.device);
  await served;
  if (keeper === null) await keep();
  else keeper.watch(lost);
  say({ kind: 'reachable' });
  void predecessor.gone.then(() => showMetricsAgain(config, log, opened, api, show));
}

/** Another program may have taken the port meanwhile: it is tried again for ten minutes. */
const METRICS_TRIES = 300;
const METRICS_PAUSE_MS = 2000;

/** The port is free once the daemon before has ended. */
async function showMetricsAgain(
  config: MountConfig,
  log: Log,
  opened: OpenImages,
  api: ApiSocket,
  show: (metrics: MetricsFaces) => void,
): Promise<void> {
  let isOver = false;
  opened.closing = () => {
    isOver = true;
    api.close();
  };
  for (let tries = METRICS_TRIES; !isOver; tries--) {
    try {
      const metrics = await listenForMetrics(config);
      opened.closing = () => {
        metrics.server?.close();
        api.close();
      };
      if (isOver) metrics.server?.close();
      else show(metrics);
      return;
    } catch (error) {
      const { message } = error as Error;
      const isTried = tries > 0 && error instanceof SluiceError && error.errno === 'EADDRINUSE';
      if (!isTried) {
        log.error(`no metrics any more: ${message}`);
        return;
      }
      if (tries === METRICS_TRIES) log.warn(`no metrics for now, tried again: ${message}`);
      await sleep(METRICS_PAUSE_MS, undefined, { ref: false });
    }
  }
}

function endOf(event: PlaneEvent): Error {
  if (event.kind === 'refused') return fromRecord(event);
  const message = event.kind === 'crashed' ? event.message : `the data plane is ${event.kind}`;
  return new SluiceError(message, 'EIO', EXIT_FAILED);
}

/** An inherited descriptor under another number, so that no child of this process inherits it. */
export function adopt(inherited: number): number {
  const descriptor = fcntl(inherited, F_DUPFD_CLOEXEC, 0);
  assert(descriptor >= 0, `descriptor ${inherited} was not inherited: ${descriptor}`);
  close(inherited);
  return descriptor;
}

/** The same where there may be none: -1. */
function adoptAny(inherited: number): number {
  return inherited < 0 ? -1 : adopt(inherited);
}

/** Each image is the file that it was. */
function checkIdentities({ all }: OpenImages, identities: Handed['identities']): void {
  for (const { identity, disk } of all) {
    assert(identity === identities[disk.name], `${disk.path} is another file`);
  }
}
