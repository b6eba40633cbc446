import { endCacheFile } from '../host/cache-file.js';
import { sizeNow } from '../host/host-change.js';
import type { Hold } from '../host/local-file.js';
import type { DiskConfig } from '../plane/disk.js';
import { close } from '../sys/libc.js';
import { unlockAll } from '../sys/ofd-locks.js';
import { assert } from '../util/assert.js';

/** An image that is open and locked, with its backing files. Plain data: another thread may have opened it. */
export interface OpenImage {
  disk: DiskConfig;
  /** Of its own file; see `HostFile.identity`. */
  identity: string;
  /** All descriptors, in the order in which they were opened. */
  descriptors: readonly number[];
  /** Those whose locks are given up before they are closed. */
  locked: readonly number[];
  /** That of the cache of its export; missing: it has none. */
  cache?: number | undefined;
  /** What keeps its files for the mount. */
  holds: readonly Hold[];
}

/** The images of a mount, open and locked. */
export class OpenImages {
  /** Called when all is about to be closed, for what ends with it. */
  closing: () => void = () => {};
  /** Called when an image has come. */
  added: () => void = () => {};
  /** By name. */
  readonly #images = new Map<string, OpenImage>();

  constructor(images: readonly OpenImage[]) {
    for (const image of images) this.add(image);
  }

  get all(): OpenImage[] {
    return [...this.#images.values()];
  }

  get disks(): DiskConfig[] {
    return this.all.map(({ disk }) => disk);
  }

  /** There must be none of its name: the descriptors of that one would be lost. */
  add(image: OpenImage): void {
    const { name } = image.disk;
    assert(!this.#images.has(name), `two images are called ${name}`);
    this.#images.set(name, image);
    this.added();
  }

  /**
   * Looks whether an image could come back if it went: a file that has lost its name is gone when it is closed.
   *
   * @throws SluiceError ESTALE, exit code 1
   */
  checkInPlace(name: string): void {
    for (const { descriptor, path } of this.#images.get(name)?.holds ?? []) {
      // A temporary overlay has no name.
      if (!path.startsWith('/proc/')) sizeNow(descriptor, path);
    }
  }

  /** Gives the locks of all up, and ends their caches. Call it where no request is under way. */
  async unlock(): Promise<void> {
    await Promise.all(this.all.map(unlockImage));
  }

  /**
   * Gives up the locks that do not go to another process. The ring of this one keeps its descriptors for a while after its
   * end, and that one may end before.
   */
  unlockOwn(): void {
    for (const { locked, holds } of this.all) {
      const handed = new Set(holds.map(({ descriptor }) => descriptor));
      for (const descriptor of locked) if (!handed.has(descriptor)) unlockAll(descriptor);
    }
  }

  /**
   * Closes everything. The locks end with the last request that is under way. A second call does nothing.
   * The list still names the images.
   */
  close(): void {
    this.closing();
    for (const image of this.all) {
      const { disk, identity } = image;
      closeImage(image);
      this.#images.set(image.disk.name, { disk, identity, descriptors: [], locked: [], holds: [] });
    }
  }

  /** Unlocks and closes one, of which no request is under way. Nobody else has it from the beginning on. */
  async release(name: string): Promise<void> {
    const image = this.#images.get(name);
    if (image === undefined) return;
    this.#images.delete(name);
    await unlockImage(image);
    closeImage(image);
  }
}

/** An error of close(2) does not count: what was synced is there, and nothing else is promised. */
function closeImage({ descriptors }: OpenImage): void {
  for (const descriptor of descriptors.toReversed()) close(descriptor);
}

async function unlockImage({ locked, cache }: OpenImage): Promise<void> {
  if (cache !== undefined) await endCacheFile(cache);
  for (const descriptor of locked) unlockAll(descriptor);
}
