import { numberFiles } from '../image/chain-files.js';
import { lockImage } from '../image/image-locks.js';
import { type OpenLayer, openChain } from '../image/open-chain.js';
import { smallestUnit } from '../image/qcow2/layout.js';
import type { FileSource } from '../image/source.js';
import type { ChainConfig, DiskConfig } from '../plane/disk.js';
import { close } from '../sys/libc.js';
import type { DiskOptions, ImageConfig } from './config.js';
import { claimForWriting, describeUse } from './device-use.js';
import { describeHolder } from './file-holders.js';
import { type HostFile, openHostFile } from './host-file.js';
import type { Log } from './log.js';
import { prepareWriting } from './prepare-writing.js';

/** The disks of a mount, open and locked. */
export interface OpenDisks {
  disks: DiskConfig[];
  /** Closes everything, which also gives the locks up. */
  close(): void;
}

/** Direct I/O needs whole blocks of up to this: where an image has smaller clusters, buffered I/O. */
const DIRECT_BLOCK_BYTES = 4096;

/**
 * Opens and locks all images of a mount, with their backing files.
 *
 * @throws SluiceError naming the file. Nothing stays open then.
 */
export async function openDisks(config: DiskOptions, log: Log): Promise<OpenDisks> {
  const closers: (() => void)[] = [];
  const closeAll = (): void => {
    // Once: the numbers of closed descriptors are soon somebody else's.
    for (const closer of closers.splice(0)) closer();
  };
  const disks: DiskConfig[] = [];
  try {
    for (const image of config.images) {
      disks.push(await openDisk(image, config, log, closers));
    }
  } catch (error) {
    closeAll();
    throw error;
  }
  return { disks, close: closeAll };
}

async function openDisk(
  image: ImageConfig,
  config: DiskOptions,
  log: Log,
  closers: (() => void)[],
): Promise<DiskConfig> {
  const { readOnly } = config;
  const hold = (descriptor: number | null): void => {
    if (descriptor !== null) closers.push(() => close(descriptor));
  };
  const claims = new Map<FileSource, number | null>();
  // Its descriptors stay open as long as the mount: they hold the locks.
  const chain = openChain(image.path, image, (source, isTop) => {
    lockImage(source, isTop && !readOnly, describeHolder);
    if (isTop && !readOnly) claims.set(source, claimForWriting(source));
    else warnOfUse(source, log);
    hold(claims.get(source) ?? null);
  });
  closers.push(() => chain.close());
  const isRaw = chain.layers[0]!.qcow === null;
  const direct = config.direct && chain.layers.every(isDirectPossible);
  // Before anything is made of the layers: a repair changes what is known of the first.
  const write = readOnly || isRaw ? null : await prepareWriting(chain.layers[0]!, image, log);
  const { sources, layers } = numberFiles(chain);
  const files: HostFile[] = [];
  for (const [index, source] of sources.entries()) {
    // An image is written, and its data file; what is below them is not.
    const isTop = index === 0 || source === chain.layers[0]!.qcow?.dataSource;
    const file = await openHostFile(source, readOnly || !isTop, direct, claims.get(source) ?? null);
    hold(file.descriptor);
    files.push(file);
  }
  for (const source of sources) source.checkName();
  const [{ size: hostSize, ...first }, ...others] = files as [HostFile, ...HostFile[]];
  const canGrow = isRaw ? !first.blockDevice : write !== null && isWhole(chain.layers[0]!);
  const growable = config.growable && canGrow;
  if (write !== null) layers[0]!.qcow!.l1 = write.l1;
  const chained: ChainConfig = {
    layers,
    files: others,
    cacheBytes: config.metadataCache,
    write,
  };
  return {
    ...first,
    name: image.name,
    path: image.path,
    format: chain.layers[0]!.format,
    hostSize,
    alignment: Math.max(...files.map((file) => file.alignment)),
    mode: (config.mode ?? first.mode) & (readOnly ? 0o555 : 0o777),
    owner: config.owner ?? undefined,
    readOnly,
    growable,
    chain: isRaw ? null : chained,
  };
}

function warnOfUse(source: FileSource, log: Log): void {
  const use = describeUse(source);
  if (use !== null) log.warn(`${source.path}: ${use}: what is read may change at any time`);
}

/** Its data is in its own file. */
function isWhole({ qcow }: OpenLayer): boolean {
  return qcow?.dataSource === null;
}

function isDirectPossible(layer: OpenLayer): boolean {
  return layer.qcow === null || smallestUnit(layer.qcow.layout) >= DIRECT_BLOCK_BYTES;
}
