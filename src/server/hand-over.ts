import { setImmediate } from 'node:timers/promises';
import { groupsNow } from '../control/groups-now.js';
import type { MountSettings } from '../control/settings.js';
import type { FuseMount } from '../fuse/mount.js';
import type { Unclosed } from '../plane/carry-over.js';
import type { DiskConfig } from '../plane/disk.js';
import type { MountState } from '../plane/messages.js';
import { hostErrorText } from '../util/errno.js';
import { EXIT_FAILED, SluiceError } from '../util/errors.js';
import type { MountConfig } from './config.js';
import type { EndRecord } from './end-record.js';
import { checkHandOver } from './hindrances.js';
import type { ImageOrders } from './image-orders.js';
import type { Keeper } from './keeper.js';
import type { Event } from './lifecycle.js';
import { findLogFile, type Log } from './log.js';
import type { OpenImages } from './open-images.js';
import type { PlaneThread } from './plane-thread.js';
import type { Reload } from './reload.js';
import type { ServiceManager } from './service-manager.js';
import { FIRST_HANDED, type Handed, Successor } from './successor.js';

/** Requests that have been admitted have ended by then, or the daemon goes on as before. */
const HOLD_LIMIT_MS = 5000;

/** So many keepers that end by themselves in a minute are replaced. */
const LOSSES_MAX = 5;
const LOSSES_MS = 60_000;

/** Does another daemon go on with the mount if this one dies? `lost`: the keeper has ended, and there is no other. */
export type KeeperState = 'yes' | 'no' | 'lost';

/** A mount that another process is to go on with. */
export interface HandOverParts {
  readonly config: MountConfig;
  readonly mount: Pick<FuseMount, 'fd' | 'byFusermount'>;
  readonly images: Pick<OpenImages, 'all'>;
  readonly orders: Pick<ImageOrders, 'pause' | 'goOn' | 'asked'>;
  readonly reload: Pick<Reload, 'config'>;
  readonly plane: Pick<PlaneThread, 'hold' | 'goOn' | 'held' | 'order' | 'figures'>;
  readonly log: Log;
  readonly transport: string;
  readonly record: Pick<EndRecord, 'fd' | 'passTo'>;
  readonly manager: Pick<ServiceManager, 'isThere' | 'passTo'>;
  readonly tell: (event: Event) => void;
  /** Null: nobody goes on if this process dies. */
  readonly keeper: Pick<Keeper, 'first' | 'isThere' | 'start' | 'stop'> | null;
  isServing(): boolean;
  isHandingOver(): boolean;
  /** Missing: the daemon's own program, as it is installed now. */
  readonly program?: string;
  /** Missing: the real ones. */
  readonly around?: HandOverSurroundings;
}

/** Processes and time, as a hand-over sees them. */
export interface HandOverSurroundings {
  /** @param descriptors those that the new process inherits */
  start(descriptors: readonly number[]): Pick<Successor, keyof Successor>;
  /** A timer: calls `event` after `ms` milliseconds. The function that it returns stops the timer. */
  after(ms: number, event: () => void): () => void;
}

function real({ config, program }: HandOverParts): HandOverSurroundings {
  return {
    start: (descriptors) => new Successor(config.mountpoint, descriptors, program),
    after: (ms, event) => {
      const timer = setTimeout(event, ms);
      return () => clearTimeout(timer);
    },
  };
}

/** How a restart came out. */
export interface HandedOver {
  /** The process that serves the mount now. */
  pid: number;
  /** For how long no request was served, milliseconds. */
  stallMs: number;
}

/**
 * Lets a new process go on with a mount. At each moment one process may serve it and write its images: this one until
 * its data plane has ended; then the new one. See docs/architecture.md.
 */
export class HandOver {
  readonly #parts: HandOverParts;
  readonly #around: HandOverSurroundings;
  #successor: Pick<Successor, keyof Successor> | null = null;
  #isUnderWay = false;
  /** The mount ends, or goes to another process: no keeper may come any more. */
  #isOver = false;
  #keeping: Promise<void> = Promise.resolve();
  /** One keeper takes the place of another. */
  #isKeeping = false;
  /** When keepers ended by themselves, on the clock of `performance`. */
  #losses: number[] = [];
  #finished: (error: Error | null) => void = () => {};

  constructor(parts: HandOverParts) {
    this.#parts = parts;
    this.#around = parts.around ?? real(parts);
  }

  /**
   * Starts the new process and hands the mount over. If that fails, this process goes on as before.
   * @throws SluiceError with the reason
   */
  async run(): Promise<HandedOver> {
    const { config, orders, images, transport, manager, isServing, log } = this.#parts;
    const going = { config, transport, disks: images.all.map(diskOf) };
    checkHandOver(going, manager.isThere);
    if (!isServing() || this.#isUnderWay) throw busy();
    this.#isUnderWay = true;
    await orders.pause();
    const { descriptors } = this.#outfit(FIRST_HANDED);
    const successor = this.#around.start(descriptors);
    this.#successor = successor;
    try {
      await successor.load();
      return await this.#handTo(successor);
    } catch (error) {
      await this.#endSuccessor();
      this.#isUnderWay = false;
      orders.goOn();
      log.warn(`not restarted: ${(error as Error).message}`);
      throw error;
    }
  }

  async #handTo(successor: Pick<Successor, keyof Successor>): Promise<HandedOver> {
    const { plane, tell, isServing, isHandingOver } = this.#parts;
    const settings = (await plane.order({ kind: 'show' })).shown!.mount;
    if (!isServing()) throw busy();
    tell({ kind: 'hand-over' });
    const begin = performance.now();
    try {
      // A successor that is prepared goes on if this process dies, and then nobody else may.
      const [state] = await Promise.all([this.#held(), this.#stopKeeper()]);
      await successor.prepare(this.#handed(state, settings));
      if (!isHandingOver()) throw busy();
    } catch (error) {
      // Before this process writes again.
      await successor.kill();
      plane.goOn();
      tell({ kind: 'kept' });
      this.#isOver = !isServing();
      await this.keep();
      throw error;
    }
    const finished = new Promise<Error | null>((resolve) => {
      this.#finished = resolve;
    });
    tell({ kind: 'handed-over' });
    const error = await finished;
    if (error !== null) throw error;
    return { pid: successor.pid, stallMs: Math.round(successor.servedAt - begin) };
  }

  /** @throws SluiceError ETIMEDOUT, or that of an image that cannot be closed */
  #held(): Promise<MountState> {
    const { plane } = this.#parts;
    return new Promise((resolve, reject) => {
      const inTime = this.#around.after(HOLD_LIMIT_MS, () => {
        const what = `requests of before are still under way after ${HOLD_LIMIT_MS / 1000} s`;
        reject(new SluiceError(what, 'ETIMEDOUT', EXIT_FAILED));
      });
      plane.held = (state, failed) => {
        inTime();
        if (state === null) reject(unclosed(failed));
        else resolve(state);
      };
      plane.hold();
    });
  }

  /** The data plane of this process has ended: the new one may go on. Does not reject. */
  async finish(): Promise<void> {
    const successor = this.#successor!;
    const { config, record, manager } = this.#parts;
    // The mount is its own now, whatever comes.
    this.#successor = null;
    record.passTo(successor.pid);
    if (config.foreground) manager.passTo(successor.pid);
    let failure: Error | null = null;
    try {
      await successor.go();
    } catch (error) {
      failure = error as Error;
      this.#parts.log.error(`the new daemon did not go on: ${failure.message}`);
    }
    this.#finished(failure);
    // Who has asked gets the answer before the sockets are closed.
    await setImmediate();
    await setImmediate();
    successor.letGo();
  }

  /** The mount ends here: ends the process that was to go on, and the keeper. */
  async giveUp(): Promise<void> {
    await this.#stopKeeper();
    await this.#endSuccessor();
  }

  async #endSuccessor(): Promise<void> {
    await this.#successor?.kill();
    this.#successor = null;
  }

  async #stopKeeper(): Promise<void> {
    const { keeper, record } = this.#parts;
    this.#isOver = true;
    if (keeper === null) return;
    await this.#keeping;
    record.passTo(process.pid);
    await keeper.stop();
  }

  /** Another process goes on if this one dies now. */
  get isKept(): boolean {
    return this.#parts.keeper?.isThere === true;
  }

  /** What `sluice list` says of it. */
  get keeperState(): KeeperState {
    const { keeper } = this.#parts;
    if (keeper === null) return 'no';
    return keeper.isThere || this.#isKeeping ? 'yes' : 'lost';
  }

  /** The keeper has ended by itself: another one takes its place, if that does not happen too often. */
  lost(): void {
    const { log } = this.#parts;
    const now = performance.now();
    this.#losses = [...this.#losses.filter((one) => now - one < LOSSES_MS), now];
    if (this.#losses.length > LOSSES_MAX) {
      log.error('the keeper has ended again and again: the mount ends with this daemon');
      return;
    }
    log.warn('the keeper has ended; another one is started');
    void this.keep();
  }

  /** Has a new keeper, which knows the images that there are now. Does not reject. */
  keep(): Promise<void> {
    this.#keeping = this.#keeping.then(() => this.#keepNow());
    return this.#keeping;
  }

  async #keepNow(): Promise<void> {
    const { keeper, config, record, log, program } = this.#parts;
    if (keeper === null || this.#isOver) return;
    record.passTo(process.pid);
    this.#isKeeping = true;
    await keeper.stop();
    const { descriptors, ...places } = this.#outfit(keeper.first);
    const kept = { ...this.#basics(), ...places };
    const lost = (): void => this.lost();
    try {
      // Who waits for the end of this daemon waits for that of the keeper, too, if this one dies.
      const file = findLogFile(config.logFile);
      record.passTo(keeper.start(config.mountpoint, descriptors, kept, file, lost, program));
    } catch (error) {
      log.error((error as Error).message);
    }
    this.#isKeeping = false;
  }

  /**
   * The descriptors that the new process inherits, and the places where it finds them.
   * @param first The first of these places.
   */
  #outfit(first: number): Outfit {
    const { images, mount, record } = this.#parts;
    const descriptors: number[] = [];
    const add = (descriptor: number): number => {
      if (descriptor < 0) return -1;
      return first + descriptors.push(descriptor) - 1;
    };
    const fuse = add(mount.fd);
    const holds = images.all.flatMap(({ disk, holds }) =>
      holds.map((hold) => {
        const descriptor = add(hold.descriptor);
        const others = { claim: add(hold.claim), memory: add(hold.memory) };
        return { ...hold, image: disk.name, descriptor, ...others };
      }),
    );
    return { descriptors, fuse, holds, record: add(record.fd) };
  }

  #basics(): Pick<Handed, 'config' | 'images' | 'identities' | 'byFusermount'> {
    const { images, orders, reload, mount } = this.#parts;
    const identities = images.all.map(({ disk, identity }) => [disk.name, identity]);
    return {
      config: reload.config,
      images: orders.asked,
      identities: Object.fromEntries(identities),
      byFusermount: mount.byFusermount,
    };
  }

  #handed(state: MountState, settings: MountSettings): Handed {
    const { orders, plane } = this.#parts;
    const { fuse, holds, record } = this.#outfit(FIRST_HANDED);
    const names = new Set(orders.asked.map(({ name }) => name));
    return {
      ...this.#basics(),
      ...{ fuse, holds, record, state },
      ...groupsNow(plane.figures, settings, names),
    };
  }
}

function diskOf({ disk }: { disk: DiskConfig }): DiskConfig {
  return disk;
}

interface Outfit extends Pick<Handed, 'fuse' | 'holds' | 'record'> {
  descriptors: number[];
}

function busy(): SluiceError {
  return new SluiceError('the mount is ending or being restarted', 'EBUSY', EXIT_FAILED);
}

function unclosed(failed: readonly Unclosed[]): SluiceError {
  const [{ name, errno } = { name: '', errno: 0 }] = failed;
  return new SluiceError(`${name}: ${hostErrorText(errno)}`, 'EIO', EXIT_FAILED);
}
