import { existsSync } from 'node:fs';
import { release } from 'node:os';
import { setImmediate } from 'node:timers/promises';
import type { FigureReader } from '../control/figures.js';
import { parseSettings, settingsJson } from '../control/json.js';
import { escapeName } from '../control/names.js';
import type { Assignment, GroupConfig } from '../control/set-up-groups.js';
import type { MountSettings } from '../control/settings.js';
import type { FuseMount } from '../fuse/mount.js';
import { formatNamed } from '../image/formats.js';
import type { Unclosed } from '../plane/carry-over.js';
import type { MountState } from '../plane/messages.js';
import { hostErrorText } from '../util/errno.js';
import { EXIT_FAILED, SluiceError } from '../util/errors.js';
import { isLinuxSince } from '../util/version.js';
import { DISCARD, type MountConfig } from './config.js';
import type { EndRecord } from './end-record.js';
import type { ImageOrders } from './image-orders.js';
import type { Event } from './lifecycle.js';
import type { Log } from './log.js';
import type { OpenImages } from './open-images.js';
import type { PlaneThread } from './plane-thread.js';
import type { Reload } from './reload.js';
import type { ServiceManager } from './service-manager.js';
import { FIRST_HANDED, type Handed, Successor } from './successor.js';

/** Requests that have been admitted have ended by then, or the daemon goes on as before. */
const HOLD_LIMIT_MS = 5000;

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
  isAlive(pid: number): boolean;
}

function real({ config, program }: HandOverParts): HandOverSurroundings {
  return {
    start: (descriptors) => new Successor(config.mountpoint, descriptors, program),
    after: (ms, event) => {
      const timer = setTimeout(event, ms);
      return () => clearTimeout(timer);
    },
    isAlive: (pid) => existsSync(`/proc/${pid}`),
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
    const { orders, isServing, log } = this.#parts;
    checkPossible(this.#parts);
    if (!isServing() || this.#isUnderWay) throw busy();
    this.#isUnderWay = true;
    await orders.pause();
    const { descriptors } = this.#outfit();
    const successor = this.#around.start(descriptors);
    this.#successor = successor;
    try {
      await successor.load();
      return await this.#handTo(successor);
    } catch (error) {
      await this.giveUp();
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
      const state = await this.#held();
      await successor.prepare(this.#handed(state, settings));
      if (!isHandingOver()) throw busy();
    } catch (error) {
      // Before this process writes again.
      await successor.kill();
      plane.goOn();
      tell({ kind: 'kept' });
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

  /** Ends the process that was to go on, if there is one. */
  async giveUp(): Promise<void> {
    await this.#successor?.kill();
    this.#successor = null;
  }

  /** The descriptors that the new process inherits, and the places where it finds them. */
  #outfit(): Outfit {
    const { images, mount, record } = this.#parts;
    const descriptors: number[] = [];
    const add = (descriptor: number): number => {
      if (descriptor < 0) return -1;
      return FIRST_HANDED + descriptors.push(descriptor) - 1;
    };
    const fuse = add(mount.fd);
    const holds = images.all.flatMap((image) =>
      image.holds.map(({ identity, descriptor, claim }) => {
        return { identity, descriptor: add(descriptor), claim: add(claim) };
      }),
    );
    return { descriptors, fuse, holds, record: add(record.fd) };
  }

  #handed(state: MountState, settings: MountSettings): Handed {
    const { images, orders, reload, mount, plane } = this.#parts;
    const { fuse, holds, record } = this.#outfit();
    const names = new Set(orders.asked.map(({ name }) => name));
    return {
      config: reload.config,
      images: orders.asked,
      identities: Object.fromEntries(images.all.map(({ disk, identity }) => [disk.name, identity])),
      ...{ fuse, holds, record },
      byFusermount: mount.byFusermount,
      state,
      depth: settings.depth,
      ...groupsNow(plane.figures, settings, names, this.#around.isAlive),
    };
  }
}

interface Outfit extends Pick<Handed, 'fuse' | 'holds' | 'record'> {
  descriptors: number[];
}

/** The groups as they are, for a mount that begins with them. */
function groupsNow(
  figures: FigureReader,
  { depth, cost }: MountSettings,
  images: ReadonlySet<string>,
  isAlive: (pid: number) => boolean,
): { groups: GroupConfig[]; assignments: Assignment[] } {
  const groups: GroupConfig[] = [];
  const assignments: Assignment[] = [];
  for (const { path, settings, members } of figures.observations()) {
    const isRoot = path === '';
    const all = settingsJson(isRoot ? { ...settings, depth, cost } : settings);
    groups.push({ path, changes: parseSettings(all, isRoot) });
    for (const { name } of members) {
      // Where they are from the start, or nobody's any more.
      if ((isRoot && images.has(name)) || isOfEnded(name, isAlive)) continue;
      assignments.push({ member: escapeName(name), group: path });
    }
  }
  return { groups, assignments };
}

/** A rule about a process that has ended. It goes by itself some time. */
function isOfEnded(member: string, isAlive: (pid: number) => boolean): boolean {
  const [, pid] = /^pid:(\d+)$/.exec(member) ?? [];
  return pid !== undefined && !isAlive(Number(pid));
}

/** @throws SluiceError EOPNOTSUPP, naming what keeps the mount from going to another process */
function checkPossible({ config, images, orders, transport, manager }: HandOverParts): void {
  if (transport !== 'uring') throw impossible(`the transport is ${transport}, and uring is needed`);
  if (config.foreground && !manager.isThere) {
    throw impossible('it runs in the foreground, and not as a service of Type=notify');
  }
  if (!hasResend()) throw impossible(`this is Linux ${release()}, and 6.9 is needed`);
  if (config.groups.some(({ shared }) => shared !== undefined)) {
    throw impossible('hosts share limits of its groups');
  }
  const temporary = orders.asked.find(({ overlay }) => overlay === DISCARD);
  if (temporary !== undefined) throw impossible(`what is written to ${temporary.name} is not kept`);
  for (const { disk } of images.all) {
    const { path, format, readOnly, backing, image } = disk;
    if (backing !== undefined) throw impossible(`${path} is passed through`);
    if (image.files.some(({ nbd }) => nbd !== undefined)) {
      throw impossible(`${path} is an export of an NBD server`);
    }
    if (!readOnly && formatNamed(format).changesHands !== true) {
      throw impossible(`${path} is ${format}, and is written`);
    }
  }
}

/** The kernel can send requests again (Linux 6.9). */
export function hasResend(): boolean {
  return isLinuxSince(6, 9);
}

export function impossible(why: string): SluiceError {
  const what = `the mount cannot go to a new daemon: ${why}; umount and mount again`;
  return new SluiceError(what, 'EOPNOTSUPP', EXIT_FAILED);
}

function busy(): SluiceError {
  return new SluiceError('the mount is ending or being restarted', 'EBUSY', EXIT_FAILED);
}

function unclosed(failed: readonly Unclosed[]): SluiceError {
  const [{ name, errno } = { name: '', errno: 0 }] = failed;
  return new SluiceError(`${name}: ${hostErrorText(errno)}`, 'EIO', EXIT_FAILED);
}
