import { setImmediate } from 'node:timers';
import type { DiskConfig } from '../../src/plane/disk.js';
import type { DiskOptions, ImageConfig, MountConfig } from '../../src/server/config.js';
import { ImageOrders } from '../../src/server/image-orders.js';
import type { OpenImages } from '../../src/server/open-images.js';
import { openLive } from '../../src/server/open-live.js';
import { Reload } from '../../src/server/reload.js';
import { fromRecord, SluiceError } from '../../src/util/errors.js';
import type { ControlPlane } from './control-plane.js';
import type { Image } from './disks.js';
import type { HostFiles } from './host-files.js';
import { openOverlay } from './overlays.js';

/** The key of the simulated daemon. */
export const KEY = 'the key';
/** Opening an image, and telling the kernel of a file, take this long at most, nanoseconds. */
const OPEN_NS = 30e6;
const NOTIFY_NS = 1e6;
/** One of this many images cannot be opened, on a host with faults. */
const UNOPENED = 8;
/** Titles of images whose first cluster is compressed by zlib. */
const INFLATED = /^zlib|a stream/;

const QUIET = { info() {}, warn() {}, error() {} };

/** The images of a session, and how they are opened. */
export interface Opened {
  images: OpenImages;
  /** Those of the mount. */
  options: DiskOptions;
  /** Changes the configuration of a disk to what the plan says of its image. */
  configure(disk: DiskConfig): DiskConfig;
  /** Undefined: it is none of the run's. */
  imageNamed(name: string): Image | undefined;
}

/** The same, with the servers of images. */
interface ServedImages extends Opened {
  /** Moves the file of an image to its server, if it has one. */
  serve(disk: DiskConfig): DiskConfig;
}

/** What carries the orders of a mount out. */
export interface Connected {
  config: MountConfig;
  orders: ImageOrders;
  reload: Reload;
}

/**
 * Images that wait for an order are opened by the real code, on real files, in simulated time.
 *
 * @param before Those of the daemon whose place this one takes; null: the mount is new.
 */
export function imageOrders(
  { images, options, configure, imageNamed, serve }: ServedImages,
  control: ControlPlane,
  files: HostFiles,
  isFaulty: boolean,
  delay: (most: number) => number,
  before: { config: MountConfig; asRead: MountConfig } | null,
  keeper: boolean,
): Connected {
  const descriptors = watchClosing(images, files);
  const mount = { ...options, mountOptions: [], logFile: null, untrusted: false };
  const there = options.images.filter(({ name }) =>
    images.disks.some((disk) => disk.name === name),
  );
  // All that are there from the start are of the file.
  if (before === null) control.configFile.images = there;
  const source = { file: '/config', words: {}, directory: '/', images: there };
  const fixed = {
    ...mount,
    images: there,
    source,
    keeper,
    depth: 'auto',
    ...control.configFile.now,
  };
  const config = before?.config ?? (fixed as never as MountConfig);
  const reload = new Reload({
    ...{ config: before?.asRead ?? config, images, log: QUIET },
    read: async () => {
      await control.wait(delay(OPEN_NS));
      const { now, images } = control.configFile;
      const asRead = before?.asRead ?? config;
      return { ...asRead, ...now, source: { ...asRead.source!, images } };
    },
    reform: async (steps) => {
      const { error } = await control.order({ kind: 'reform', steps });
      if (error !== null) throw fromRecord(error);
    },
  });
  const orders = new ImageOrders({
    ...{ config, images, log: QUIET, keepsOpen: false },
    key: { fits: (key) => key === KEY },
    keep: async () => control.handOver?.keep(),
    opener: {
      async open(image, warn) {
        await control.wait(delay(OPEN_NS));
        if (isFaulty && delay(UNOPENED) === 0) {
          throw new SluiceError('too many files are open', 'EMFILE', 1);
        }
        const [{ name, overlay }] = image.options.images as [ImageConfig];
        // A table in such an image is read by other threads, for which simulated time does not wait.
        const isInflated = INFLATED.test(imageNamed(name)?.template.title ?? '');
        const options = isInflated ? { ...image.options, partitions: null } : image.options;
        const open = () => openLive({ ...image, options }, QUIET, warn);
        const isOver = overlay !== undefined;
        const found = await (isOver ? openOverlay(imageNamed(name)!, files, open) : open());
        const disk = configure(found.image.disk);
        files.opened(disk.name, descriptorsOf(disk));
        descriptors.set(disk.name, descriptorsOf(disk));
        return { ...found, image: { ...found.image, disk: serve(disk) } };
      },
      // Nobody gives these orders.
      change: () => Promise.reject(new SluiceError('no overlay', 'ENOENT', 1)),
    },
    groupsOf: () => [],
    reload: (orders, warn) => reload.run(orders, warn),
    change: async (change) => {
      const outcome = await control.change(change);
      if (change.kind === 'detach' && !outcome.isThere && outcome.error !== null) {
        imageNamed(change.name)!.stay!.isToldOf = true;
      }
      return outcome;
    },
    notify: () => control.wait(delay(NOTIFY_NS)),
    isServing: () => control.lifecycle.state === 'serving',
    sleep: (ms) => control.wait(ms * 1e6),
  });
  return { config, orders, reload };
}

export function descriptorsOf({ image }: DiskConfig): number[] {
  return image.files.map(({ descriptor }) => descriptor);
}

/** Nobody uses these images any more, or nobody of this process. */
export function discard(files: HostFiles, images: OpenImages): void {
  for (const disk of images.disks) files.left(descriptorsOf(disk));
  images.close();
}

/**
 * The simulated host is told of each file that is closed.
 *
 * @returns Those of images, by name: behind a server they are not in the configuration.
 */
function watchClosing(images: OpenImages, files: HostFiles): Map<string, number[]> {
  const open = new Map(images.disks.map((disk) => [disk.name, descriptorsOf(disk)]));
  const { release } = images;
  images.release = (name) => {
    if (images.disks.some((disk) => disk.name === name)) files.closed(open.get(name)!);
    return release.call(images, name);
  };
  return open;
}

/** Calls a function outside of all promises, so that those that it makes can go on before it returns: see `World.settle`. */
export function outside<T>(run: () => T): Promise<T> {
  return new Promise((resolve, reject) => {
    setImmediate(() => {
      try {
        resolve(run());
      } catch (error) {
        reject(error as Error);
      }
    });
  });
}
