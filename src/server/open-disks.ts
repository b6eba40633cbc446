import { randomInt } from 'node:crypto';
import { type Faults, parseFaults } from '../control/faults.js';
import { type OpenCache, openCacheFile } from '../host/cache-file.js';
import { CACHE_BLOCK } from '../host/cache-layout.js';
import type { HostFile } from '../host/host-file.js';
import type { Hold } from '../host/local-file.js';
import { LARGEST_BLOCK, type ServedFile } from '../host/served-file.js';
import { SECTOR_BYTES } from '../image/extent.js';
import { formatNamed } from '../image/formats.js';
import { layerConfigs, type OpenChain, type OpenLayer, openChain } from '../image/open-chain.js';
import { faultsOf, findTable, type TableFound } from '../image/read-image.js';
import { REDO_LOG_BYTES } from '../image/redo-log.js';
import { isNbdUri } from '../nbd/uri.js';
import type { DiskConfig } from '../plane/disk.js';
import { refuse, SluiceError } from '../util/errors.js';
import { checkPartitionNames, checkWritable, type DiskName, exportToCache } from './check-disks.js';
import { checkPassable } from './check-images.js';
import { DISCARD, type DiskOptions, type ImageConfig } from './config.js';
import type { Log } from './log.js';
import { type OpenImage, OpenImages } from './open-images.js';
import { makeTemporary } from './overlay.js';

/** The images of a mount, as far as its end needs them. */
export type OpenDisks = Pick<OpenImages, 'disks' | 'unlock' | 'unlockOwn' | 'close'>;

/**
 * Opens and locks images of a mount, with their backing files.
 *
 * @param others Images that the mount has already; null: it is being made.
 * @throws SluiceError naming the file. Nothing stays open then.
 */
export async function openDisks(
  config: DiskOptions,
  log: Log,
  others: readonly DiskName[] | null = null,
): Promise<OpenImages> {
  const open: Closable[] = [];
  const images: OpenImage[] = [];
  try {
    for (const image of config.images) {
      const options = { ...config, ...image.own };
      images.push(await openAsked(image, options, log, open));
    }
    checkPartitionNames(
      images.map(({ disk }) => disk),
      others ?? [],
    );
  } catch (error) {
    for (const one of open) one.close();
    throw error;
  }
  return new OpenImages(images);
}

type Closable = Pick<OpenChain, 'close'>;

/** The partition table of an image. Its faults are told; the image is mounted all the same. */
async function readPartitions(
  chain: OpenChain,
  { partitions }: DiskOptions,
  log: Log,
): Promise<TableFound | undefined> {
  if (partitions === null) return undefined;
  const { file } = chain.layers[0]!;
  const found = await findTable(chain, partitions.sectorSize);
  const faults = faultsOf(found);
  if (faults.length > 0) log.warn(`${file.path}: partition table: ${faults.join('; ')}`);
  return found;
}

/** Opens an image, with a new overlay where what is written to it is not kept. */
async function openAsked(
  image: ImageConfig,
  config: DiskOptions,
  log: Log,
  open: Closable[],
): Promise<OpenImage> {
  if (image.overlay !== DISCARD) return openDisk(image, config, log, open);
  const temporary = makeTemporary(image);
  try {
    const { disk, ...rest } = await openDisk(temporary.image, config, log, open);
    // The overlay has no path that means anything to others.
    return { ...rest, disk: { ...disk, path: image.path } };
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error;
    const message = error.message.replace(`${temporary.image.path}: its backing file `, '');
    throw new SluiceError(message, error.errno, error.exitCode, error);
  } finally {
    temporary.close();
  }
}

async function openDisk(
  image: ImageConfig,
  config: DiskOptions,
  log: Log,
  open: Closable[],
): Promise<OpenImage> {
  const { readOnly } = config;
  // Its descriptors stay open as long as the mount: they hold the locks.
  const chain = openChain(image.path, image, (file, isTop) => {
    const isWritten = isTop && !readOnly;
    file.lock(isWritten, takeOut(image.held ?? [], file.identity));
    if (!isWritten) warnOfUse(file, log);
  });
  open.push(chain);
  const top = chain.layers[0]!;
  if (!readOnly) checkWritable(top, image);
  const growable = config.growable && !readOnly && top.image.canGrow;
  const isPassed = config.passthrough.includes(image.name);
  if (isPassed) checkPassable(top);
  // Programs use the page cache of a file that is passed through, or not, as they like: so does the daemon.
  const isDirect = config.direct && !isPassed;
  const largest = largestBlock(chain, readOnly, growable);
  const directBlock = isDirect ? largest : 0;
  if (!readOnly && top.image.prepareWriting) checkUncached(image, top);
  // Before the layers become plain data, because a repair changes the metadata of the first one.
  const hasRedo =
    config.keeper === true && !readOnly && formatNamed(top.format).hasRedoLog === true;
  const redo =
    hasRedo && !isNbdUri(top.file.path) ? top.file.keepMemory(REDO_LOG_BYTES) : undefined;
  const writing = readOnly ? null : ((await top.image.prepareWriting?.(log, redo)) ?? null);
  const { files, layers, methods } = layerConfigs(chain);
  // A write of the kernel by itself would go unnoticed: neither table nor locks would be right.
  const partitions = isPassed ? undefined : await readPartitions(chain, config, log);
  const cached = openCache(image, files, log);
  if (cached !== null) open.push(cached.file);
  const served = files.map((file): ServedFile => {
    // An image is written, and its data files; the files below them are not.
    const isTop = file === top.file || top.image.dataFiles.includes(file);
    const block = { directBlock, largestBlock: largest };
    return file.serve({ readOnly: readOnly || !isTop, ...block, nbd: config.nbd });
  });
  const backing = isPassed ? top.file.serveKernel() : undefined;
  for (const file of files) file.checkName();
  const first = served[0]!;
  // A cache keeps whole blocks: a read of less reads all of them, where the image can do with such blocks.
  const blocks = cached !== null && largest === CACHE_BLOCK ? CACHE_BLOCK : 1;
  const disk: DiskConfig = {
    name: image.name,
    path: image.path,
    format: top.format,
    image: {
      files: served.map(({ descriptor, inMemory, nbd }) => ({
        ...{ descriptor, inMemory, nbd },
        cache: nbd && cached?.cache,
      })),
      layers,
      alignment: Math.max(blocks, ...served.map((file) => file.alignment)),
      blockDevice: first.blockDevice,
      growable,
      shared: isPassed,
      cacheBytes: config.metadataCache,
      methods,
      redo,
      writing,
    },
    device: first.device,
    start: 0,
    length: null,
    partitions,
    mode: (config.mode ?? first.mode) & (readOnly ? 0o555 : 0o777),
    owner: config.owner ?? undefined,
    readOnly,
    growable,
    backing,
    faults: seededFaults(image.faults) ?? undefined,
    allocated: first.allocated,
    times: first.times,
  };
  const all = cached === null ? files : [...files, cached.file];
  const formats = new Map(chain.layers.map(({ file, format }) => [file, format]));
  return {
    disk,
    identity: top.file.identity,
    descriptors: all.flatMap((file) => file.descriptors),
    locked: all.flatMap((file) => file.unlockable),
    cache: cached?.cache.descriptor,
    holds: files.flatMap((file) => {
      return file.hold === null ? [] : { ...file.hold, format: formats.get(file) ?? null };
    }),
  };
}

/** @throws SluiceError exit code 2 for an export that is written here already, which the cache would not see */
function checkUncached({ cacheFile }: ImageConfig, { file, format }: OpenLayer): void {
  if (cacheFile === undefined || !isNbdUri(file.path)) return;
  const what = `tables of ${format} on ${file.path} are written without it`;
  throw refuse(`--cache-file: ${what}; use --read-only or --overlay FILE`);
}

/** @throws SluiceError exit code 2 if there is not one export to keep, or another error of `openCacheFile` */
function openCache(
  { cacheFile, path }: ImageConfig,
  files: readonly HostFile[],
  log: Log,
): OpenCache | null {
  if (cacheFile === undefined) return null;
  return openCacheFile(cacheFile, exportToCache(path, files), (text) => log.warn(text));
}

/** With a seed that the user can give again, if there is none. */
export function seededFaults(words: string | undefined): Faults | null {
  const faults = words === undefined ? null : parseFaults(words);
  return faults && { ...faults, seed: faults.seed ?? randomInt(2 ** 32) };
}

/** The descriptors of a hold, which has none from then on. */
function takeOut(held: readonly Hold[], identity: string): Hold | null {
  const hold = held.find((one) => one.identity === identity && one.descriptor >= 0);
  if (hold === undefined) return null;
  const taken = { ...hold };
  hold.descriptor = hold.claim = hold.memory = -1;
  return taken;
}

function warnOfUse(file: HostFile, log: Log): void {
  const use = file.use();
  if (use !== null) log.warn(`${file.path}: ${use}: what is read may change at any time`);
}

/**
 * The largest block of direct I/O that an image can do with: clusters are whole blocks, and an image that is its
 * file byte for byte ends with one, or writes near its end would make the file longer. Smaller clusters are
 * only read so, where blocks are sectors. 0: it needs buffered I/O.
 */
export function largestBlock(
  { layers }: Pick<OpenChain, 'layers'>,
  readOnly: boolean,
  growable: boolean,
): number {
  const { file, image } = layers[0]!;
  // A table that begins within a sector cannot be read.
  if (layers.some((layer) => layer.image.unitBytes < SECTOR_BYTES)) return 0;
  if (layers.some((layer) => layer.image.unitBytes < LARGEST_BLOCK)) {
    return readOnly || image.unitBytes >= LARGEST_BLOCK ? SECTOR_BYTES : 0;
  }
  const isByteForByte = image.unitBytes === Number.POSITIVE_INFINITY && !file.blockDevice;
  const endsInBlock = growable || image.size % LARGEST_BLOCK !== 0;
  return isByteForByte && !readOnly && endsInBlock ? SECTOR_BYTES : LARGEST_BLOCK;
}
