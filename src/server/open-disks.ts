import { describeUse } from '../host/device-use.js';
import type { HostFile } from '../host/host-file.js';
import type { ServedFile } from '../host/served-file.js';
import { layerConfigs } from '../image/image-config.js';
import { type OpenChain, type OpenLayer, openChain } from '../image/open-chain.js';
import type { QcowMetadata } from '../image/qcow2/format.js';
import { smallestUnit } from '../image/qcow2/layout.js';
import type { DiskConfig } from '../plane/disk.js';
import type { DiskOptions, ImageConfig } from './config.js';
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
  const chains: OpenChain[] = [];
  const close = (): void => {
    for (const chain of chains) chain.close();
  };
  const disks: DiskConfig[] = [];
  try {
    for (const image of config.images) {
      disks.push(await openDisk(image, config, log, chains));
    }
  } catch (error) {
    close();
    throw error;
  }
  return { disks, close };
}

async function openDisk(
  image: ImageConfig,
  config: DiskOptions,
  log: Log,
  chains: OpenChain[],
): Promise<DiskConfig> {
  const { readOnly } = config;
  // Its descriptors stay open as long as the mount: they hold the locks.
  const chain = openChain(image.path, image, (source, isTop) => {
    const isWritten = isTop && !readOnly;
    source.lock(isWritten);
    if (!isWritten) warnOfUse(source, log);
  });
  chains.push(chain);
  const isRaw = chain.layers[0]!.qcow === null;
  const direct = config.direct && chain.layers.every(isDirectPossible);
  // Before anything is made of the layers: a repair changes what is known of the first.
  const write = readOnly || isRaw ? null : await prepareWriting(chain.layers[0]!, image, log);
  const { sources, layers, methods } = layerConfigs(chain);
  const files = sources.map((source, index): ServedFile => {
    // An image is written, and its data file; the files below them are not.
    const isTop = index === 0 || source === chain.layers[0]!.qcow?.dataSource;
    return source.serve({ readOnly: readOnly || !isTop, direct });
  });
  for (const source of sources) source.checkName();
  const first = files[0]!;
  const canGrow = isRaw ? !first.blockDevice : write !== null && isWhole(chain.layers[0]!);
  const growable = config.growable && canGrow;
  // The sizes of before may be old: the files were not locked yet.
  layers[0]!.hostSize = first.size;
  if (write !== null) (layers[0]!.metadata as QcowMetadata).l1 = write.l1;
  return {
    name: image.name,
    path: image.path,
    format: chain.layers[0]!.format,
    image: {
      files: files.map(({ descriptor, inMemory }) => ({ descriptor, inMemory })),
      layers,
      alignment: Math.max(...files.map((file) => file.alignment)),
      blockDevice: first.blockDevice,
      growable,
      cacheBytes: config.metadataCache,
      methods,
      writing: write,
    },
    start: 0,
    length: null,
    mode: (config.mode ?? first.mode) & (readOnly ? 0o555 : 0o777),
    owner: config.owner ?? undefined,
    readOnly,
    growable,
    allocated: first.allocated,
    times: first.times,
  };
}

function warnOfUse(source: HostFile, log: Log): void {
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
