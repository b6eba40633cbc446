import { statSync } from 'node:fs';
import { overlayFormat } from '../image/formats.js';
import { checkAllUsed } from '../image/named-files.js';
import { layerConfigs, openHere, type PartialChain } from '../image/open-chain.js';
import { findTable } from '../image/read-image.js';
import { isNbdUri } from '../nbd/uri.js';
import { EXIT_FAILED, SluiceError } from '../util/errors.js';
import {
  checkPartitionNames,
  checkWritable,
  exportToCache,
  type WithTable,
} from './check-disks.js';
import { checkEmpty, checkPassable, checkTwice, refuseAsLog } from './check-images.js';
import { DISCARD, type ImageConfig, type MountConfig } from './config.js';
import { checkKept, type GoingDisk } from './hindrances.js';
import { seenThrough } from './overlay.js';

/** Where the results of a look go. */
export interface Looker {
  /**
   * Runs a check.
   *
   * @param place The keys of a configuration file that it is about.
   */
  at<T>(place: readonly string[], run: () => T): T;
  /** Takes sentences about images that cannot be looked at here. */
  say(sentence: string): void;
}

/**
 * Refuses images that a mount would refuse, as far as their files are on this machine. Nothing is written, made, locked or
 * repaired, no server is asked, and it does not matter who uses the images.
 *
 * @throws SluiceError as `checkImages` and `openDisks`: the first fault
 */
export async function lookAtImages(config: MountConfig, looker: Looker): Promise<void> {
  const look = new Look(config, looker);
  for (const image of config.images) await look.at(image);
  look.together();
}

/** An image that was looked at. */
interface Seen extends GoingDisk, WithTable {}

/** An image with its files. */
interface Opened {
  /** As the file has it. */
  image: ImageConfig;
  /** As the mount opens it. */
  seen: ImageConfig;
  chain: PartialChain;
}

/** The image cannot be looked at here, which is no fault of it. */
class NotHere extends Error {}

/** Another user may be allowed. */
const NOT_ALLOWED: ReadonlySet<string> = new Set(['EACCES', 'EPERM']);
const NO_FILE: ReadonlySet<string> = new Set(['ENOENT', 'ENOTDIR']);

class Look {
  readonly #config: MountConfig;
  readonly #looker: Looker;
  readonly #seen: Seen[] = [];
  /** Paths of the images that the mount opens itself, by the identities of their files. */
  readonly #paths = new Map<string, string>();

  constructor(config: MountConfig, looker: Looker) {
    this.#config = config;
    this.#looker = looker;
  }

  /** @throws SluiceError */
  async at(image: ImageConfig): Promise<void> {
    const { name, path } = image;
    if (isNbdUri(path)) return;
    try {
      if (!isThere(path)) throw new NotHere(`${path}: no such file`);
      const seen = this.#check(image, 'overlay', () => seenThrough(image));
      const chain = this.#check(image, 'path', () => openHere(seen.path, seen));
      try {
        await this.#lookAt({ image, seen, chain });
      } finally {
        chain.close();
      }
    } catch (error) {
      if (!(error instanceof NotHere)) throw error;
      this.#looker.say(`${name}: ${error.message}`);
    }
  }

  /** Checks what images have to do with each other. @throws SluiceError */
  together(): void {
    const { images, keeper, transport } = this.#config;
    for (const [index, { name }] of this.#seen.entries()) {
      const so = this.#seen.slice(0, index + 1);
      this.#looker.at(['images', name], () => checkPartitionNames(so, images));
    }
    if (!keeper) return;
    const going = { config: this.#config, disks: this.#seen };
    this.#looker.at(['options', 'keeper'], () => {
      checkKept({ ...going, transport: transport === 'auto' ? 'uring' : transport });
    });
  }

  async #lookAt({ image, seen, chain }: Opened): Promise<void> {
    const { name, named, cacheFile } = image;
    const [top] = chain.layers;
    // Its data file is on a server.
    if (top === undefined) return;
    const { file, format } = top;
    const config = { ...this.#config, ...image.own };
    const isBelow = seen.overlay === DISCARD;
    const readOnly = config.readOnly || isBelow;
    const isWhole = chain.problem === null;
    const isPassed = config.passthrough.includes(name);
    const check = <T>(key: string, run: () => T): T => this.#check(image, key, run);
    if (isPassed) check('passthrough', () => checkPassable(top));
    check('path', () => {
      checkEmpty(seen.path, top, config.growable && !readOnly);
      if (readOnly) return;
      checkWritable(top, seen);
      file.checkWritable();
    });
    const { logFile } = config;
    if (logFile !== null) this.#looker.at(['options', 'log'], () => refuseAsLog(logFile, chain));
    if (isWhole) {
      check('path', () => checkAllUsed(named, [chain.layers]));
      if (cacheFile !== undefined) {
        check('cache-file', () => exportToCache(seen.path, layerConfigs(chain).files));
      }
    }
    if (!isBelow) {
      check('path', () => checkTwice(seen.path, this.#paths.get(file.identity), 'given twice'));
      this.#paths.set(file.identity, seen.path);
    }
    const hasTable = config.partitions !== null && !isPassed && isWhole;
    const partitions = hasTable ? await findTable(chain, config.partitions!.sectorSize) : undefined;
    this.#seen.push({
      ...{ name, path: image.path, readOnly: config.readOnly, partitions },
      format: isBelow ? overlayFormat().name : format,
      backing: isPassed ? file.descriptor : undefined,
      image: { files: isWhole ? [] : [{ nbd: {} }] },
    });
  }

  #check<T>({ name }: ImageConfig, key: string, run: () => T): T {
    return this.#looker.at(['images', name, key], () => {
      try {
        return run();
      } catch (error) {
        const isAllowed = !(error instanceof SluiceError) || !NOT_ALLOWED.has(error.errno);
        if (isAllowed || error.exitCode !== EXIT_FAILED) throw error;
        throw new NotHere(error.message);
      }
    });
  }
}

function isThere(path: string): boolean {
  try {
    statSync(path);
    return true;
  } catch (error) {
    return !NO_FILE.has((error as NodeJS.ErrnoException).code ?? '');
  }
}
