import { rmSync } from 'node:fs';
import type { ImageSnapshot } from '../control/control.js';
import { formatFaults, NO_FAULTS } from '../control/faults.js';
import type { Assignment } from '../control/set-up-groups.js';
import { MS_RDONLY, parseMountOptions } from '../fuse/mount-options.js';
import { sizeNow } from '../host/host-change.js';
import type { ImageChange, ImageOutcome, StaleFile } from '../plane/image-changes.js';
import type { OrderAnswer } from '../plane/orders.js';
import {
  EXIT_FAILED,
  EXIT_MOUNT,
  fromRecord,
  recordOf,
  refuse,
  SluiceError,
} from '../util/errors.js';
import {
  DISCARD,
  type DiskOptions,
  type ImageConfig,
  type MountConfig,
  type OverlayAction,
} from './config.js';
import { hindranceOf } from './hindrances.js';
import { type AttachOptions, type ImageOrder, parseOrder } from './image-order.js';
import type { Log } from './log.js';
import { seededFaults } from './open-disks.js';
import type { OpenImages } from './open-images.js';
import type { Opened } from './open-live.js';
import type { OpenThread } from './open-thread.js';
import { answerOf } from './order-answer.js';
import type { OrderKey } from './order-key.js';

/** The kernel tells of a close(2) after it has returned, and libfuse later still: an image may just have been closed. */
const CLOSES_MS = 20;
const CLOSES_TRIES = 10;

/** For the log. */
const DONE = { commit: 'committed', reset: 'reset' } as const;

/** Carries out orders, for somebody to whom it does not matter what has become of the image. */
export interface Obedient {
  obey(order: ImageOrder, warn: (text: string) => void): Promise<unknown>;
}

/** What orders about images need of a mount. */
export interface ImageOrdersParts {
  readonly config: MountConfig;
  readonly images: OpenImages;
  readonly opener: Pick<OpenThread, 'open' | 'change'>;
  readonly key: Pick<OrderKey, 'fits'>;
  readonly log: Log;
  /** See `PlaneRunner.change`. */
  change(change: ImageChange): Promise<ImageOutcome>;
  /** Tells the kernel of a file that it may know otherwise. */
  notify(file: StaleFile): Promise<void>;
  /** The mount is there, and no end has been asked for. */
  isServing(): boolean;
  /** Carries out `reload` by orders of its own, which come at once. */
  reload(orders: Obedient, warn: (text: string) => void): Promise<void>;
  /** Programs that have a file open keep it from being taken away, also with `force`. */
  readonly keepsOpen: boolean;
  /** Lets the keeper of the mount know which images there are. */
  keep(): Promise<void>;
  /** The groups below the root group that have an image or its partitions as members. */
  groupsOf(image: string): Assignment[];
  /** Waits for some milliseconds. */
  sleep(ms: number): Promise<unknown>;
}

/**
 * Carries out orders about the images of a mount that is served, one after the other: the one place for all
 * ways on which they come.
 */
export class ImageOrders {
  readonly #parts: ImageOrdersParts;
  #last: Promise<unknown> = Promise.resolve();
  #isPaused = false;
  /** Images as they were asked for, by name. */
  readonly #asked: Map<string, ImageConfig>;

  constructor(parts: ImageOrdersParts) {
    this.#parts = parts;
    this.#asked = new Map(parts.config.images.map((image) => [image.name, image.asked ?? image]));
  }

  /** The images that the mount has, as they were asked for. */
  get asked(): ImageConfig[] {
    return [...this.#asked.values()];
  }

  /** Carries out an order as it was written to `.groups/images`. Does not reject. */
  readonly take = async (text: string): Promise<OrderAnswer> => {
    const warnings: string[] = [];
    try {
      const { key, order } = parseOrder(text);
      if (!this.#parts.key.fits(key)) throw stranger();
      await this.obey(order, (warning) => warnings.push(warning));
      return answerOf(null, warnings);
    } catch (error) {
      return answerOf(error, warnings);
    }
  };

  /**
   * Carries out an order of somebody who has all rights of the daemon, when those before are done.
   * @returns The image as it is then; null if the order is about none, or it has gone.
   * @throws SluiceError
   */
  obey(order: ImageOrder, warn: (text: string) => void): Promise<ImageSnapshot | null> {
    if (this.#isPaused) return Promise.reject(beingRestarted());
    const { keep } = this.#parts;
    const turn = this.#last.then(() => this.#obey(order, warn)).finally(keep);
    this.#last = turn.catch(() => {});
    return turn;
  }

  /** Waits for the orders under way, and refuses others from now on. */
  async pause(): Promise<void> {
    this.#isPaused = true;
    await this.#last;
  }

  goOn(): void {
    this.#isPaused = false;
  }

  async #obey(order: ImageOrder, warn: (text: string) => void): Promise<ImageSnapshot | null> {
    if (!this.#parts.isServing()) {
      throw new SluiceError('the mount is ending', 'ESHUTDOWN', EXIT_FAILED);
    }
    if (order.kind === 'attach') return this.#attach(order, warn);
    if (order.kind === 'resize') return this.#resize(order);
    if (order.kind === 'faults') return this.#setFaults(order);
    if (order.kind === 'overlay') return this.#changeOverlay(order, warn);
    if (order.kind === 'detach') await this.#detach(order);
    else await this.#parts.reload({ obey: (one, to) => this.#obey(one, to) }, warn);
    return null;
  }

  async #attach(
    { image, overlay, options, assignments }: Extract<ImageOrder, { kind: 'attach' }>,
    warn: (text: string) => void,
    isBack = false,
  ): Promise<ImageSnapshot | null> {
    const { config, images, opener, log } = this.#parts;
    const asked = optionsOf(config, options);
    const mounted = images.all.map(({ identity, disk: { name, path } }) => ({
      identity,
      name,
      path,
    }));
    const named = {
      dataFiles: [],
      backingFiles: [],
      ...image.named,
      untrusted: options.untrusted ?? config.untrusted,
    };
    const over = overlay === null ? {} : { overlay };
    const disks = { ...asked, images: [{ ...image, ...over, named }], passthrough: [] };
    const opened = await opener.open({ options: disks, mounted, logFile: config.logFile }, warn);
    const { disk } = opened.image;
    images.add(opened.image);
    const why = config.keeper ? hindranceOf(disk) : null;
    const { error, image: shown } =
      why === null
        ? await this.#parts.change({ kind: 'attach', disk, assignments, isBack })
        : { error: recordOf(refuse(`--keeper: ${why}`, 'EOPNOTSUPP')), image: null };
    if (error !== null) {
      discard(opened);
      await images.release(disk.name);
      throw fromRecord(error);
    }
    const { untrusted: _, ...own } = options;
    this.#asked.set(disk.name, { ...image, ...over, named, own });
    log.info(`attached ${disk.path} as ${disk.name}`);
    return shown;
  }

  async #detach({ name, force }: Extract<ImageOrder, { kind: 'detach' }>): Promise<void> {
    const { images, change, notify, log, keepsOpen, sleep } = this.#parts;
    if (force && keepsOpen) {
      const what =
        '--force: libfuse tells an image that is gone from a new one of its name by nothing';
      throw new SluiceError(
        `${what}; end the programs that have it open`,
        'EOPNOTSUPP',
        EXIT_FAILED,
      );
    }
    const path = images.all.find((one) => one.disk.name === name)?.disk.path ?? name;
    const asked = { kind: 'detach', name, force } as const;
    let outcome = await change(asked);
    for (let tries = 0; outcome.error?.errno === 'EBUSY' && tries < CLOSES_TRIES; tries++) {
      await sleep(CLOSES_MS);
      outcome = await change(asked);
    }
    const { error, isThere, stale } = outcome;
    if (!isThere) {
      await images.release(name);
      this.#asked.delete(name);
      await Promise.all(stale.map(notify));
      log.info(`detached ${path}`);
    }
    if (error === null) return;
    const problem = fromRecord(error);
    if (problem.exitCode === EXIT_FAILED && problem.errno !== 'EBUSY') log.error(problem.message);
    throw problem;
  }

  async #setFaults({
    name,
    faults: words,
  }: Extract<ImageOrder, { kind: 'faults' }>): Promise<ImageSnapshot | null> {
    const { images, change, log } = this.#parts;
    const faults = seededFaults(words);
    const { error, image: shown } = await change({ kind: 'faults', name, faults });
    if (error !== null) throw fromRecord(error);
    const open = images.all.find((one) => one.disk.name === name)!;
    open.disk.faults = faults ?? undefined;
    const { faults: _, ...image } = this.#asked.get(name)!;
    this.#asked.set(name, faults === null ? image : { ...image, faults: words });
    log.info(`faults of ${open.disk.path}: ${faults === null ? NO_FAULTS : formatFaults(faults)}`);
    return shown;
  }

  /**
   * The image is away meanwhile, so nobody can have it open: what is under way must not reach files that change.
   * It comes back whatever becomes of its overlay.
   */
  async #changeOverlay(
    { name, action }: Extract<ImageOrder, { kind: 'overlay' }>,
    warn: (text: string) => void,
  ): Promise<ImageSnapshot | null> {
    const { config, images, opener, groupsOf, isServing, log } = this.#parts;
    const asked = this.#asked.get(name);
    if (asked !== undefined) checkChangeable(asked, config, action);
    images.checkInPlace(name);
    const groups = groupsOf(name);
    await this.#detach({ kind: 'detach', name, force: false });
    const image = asked!;
    const failed = await (image.overlay === DISCARD
      ? null
      : opener.change({ action, image }, warn).then(
          () => null,
          (error: SluiceError) => error,
        ));
    if (failed === null) log.info(`${DONE[action]} the overlay of ${name}`);
    // The end of the mount has come meanwhile.
    const shown = isServing() ? await this.#bringBack(image, groups, failed, warn) : null;
    if (failed !== null) throw failed;
    return shown;
  }

  async #bringBack(
    image: ImageConfig,
    groups: Assignment[],
    failed: SluiceError | null,
    warn: (text: string) => void,
  ): Promise<ImageSnapshot | null> {
    try {
      return await this.#attach(attachAgain(image, groups), warn, true);
    } catch (error) {
      const { message, errno, exitCode } = recordOf(error);
      const before = failed === null ? '' : `${failed.message}; and `;
      const what = `${before}${image.name} cannot be attached again: ${message}`;
      this.#parts.log.error(what);
      throw new SluiceError(what, errno, exitCode, error);
    }
  }

  async #resize({
    name,
    size,
  }: Extract<ImageOrder, { kind: 'resize' }>): Promise<ImageSnapshot | null> {
    const { images, change, notify, log } = this.#parts;
    const open = images.all.find((one) => one.disk.name === name);
    // An export has no descriptor, and its server no word for another size. A temporary overlay has no path.
    const descriptor = open?.descriptors[0];
    const isNameless = this.#asked.get(name)?.overlay === DISCARD;
    const hostSize =
      descriptor === undefined || isNameless ? 0 : sizeNow(descriptor, open!.disk.path);
    const { error, image, stale } = await change({ kind: 'resize', name, size, hostSize });
    await Promise.all(stale.map(notify));
    if (error !== null) throw fromRecord(error);
    log.info(`resized ${open?.disk.path ?? name}`);
    return image;
  }
}

/** @throws SluiceError for an image whose overlay cannot be changed, whatever its files are */
function checkChangeable(
  { name, overlay, own }: ImageConfig,
  { readOnly, passthrough }: MountConfig,
  action: OverlayAction,
): void {
  const refused =
    overlay === DISCARD && action === 'commit'
      ? 'its overlay is a temporary one; --overlay FILE keeps what can be committed'
      : passthrough.includes(name)
        ? 'it is passed through, so it has no overlay'
        : null;
  if (refused !== null) throw refuse(`${name}: ${refused}`, 'EOPNOTSUPP');
  if (!(own?.readOnly ?? readOnly)) return;
  throw refuse(`${name}: is attached with --read-only; attach it without`, 'EROFS');
}

/** The order that attaches an image again as it is. */
function attachAgain(asked: ImageConfig, assignments: Assignment[]) {
  const { own, overlay = null, ...image } = asked;
  const untrusted = image.named?.untrusted ?? false;
  return { kind: 'attach', image, overlay, options: { ...own, untrusted }, assignments } as const;
}

/** Takes an overlay away that was made for an image which then did not come. */
function discard({ madeOverlay }: Opened): void {
  if (madeOverlay !== null) rmSync(madeOverlay, { force: true });
}

/** The options of an image, and those of its mount where it has none. */
function optionsOf(
  config: MountConfig,
  asked: AttachOptions,
): Omit<DiskOptions, 'images' | 'passthrough'> {
  const { untrusted: _, ...options } = asked;
  const { readOnly, growable, direct, metadataCache, partitions, owner, mode, nbd, keeper } =
    config;
  const isFixed = (parseMountOptions(config.mountOptions).flags & MS_RDONLY) !== 0;
  if (isFixed && options.readOnly === false) {
    throw refuse('--no-read-only: the mount is read-only by -o ro', 'EROFS');
  }
  const all = { readOnly, growable, direct, metadataCache, partitions, owner, mode, nbd, keeper };
  return { ...all, ...options };
}

function beingRestarted(): SluiceError {
  return new SluiceError('the daemon is being restarted; try again', 'EAGAIN', EXIT_FAILED);
}

function stranger(): SluiceError {
  const what = 'images come and go at the word of the user who mounted, outside of containers';
  return new SluiceError(`${what}; use sluice attach and sluice detach`, 'EACCES', EXIT_MOUNT);
}
