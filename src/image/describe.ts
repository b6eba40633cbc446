import type { Stats } from 'node:fs';
import { type FileHandle, open, readFile, stat } from 'node:fs/promises';
import { splitDeviceNumber } from '../util/device-number.js';
import { EXIT_IMAGE, SluiceError } from '../util/errors.js';
import {
  describeChain,
  type FeatureInfo,
  type LayerInfo,
  refused,
  type SnapshotInfo,
} from './describe-chain.js';
import { SIZE_MAX } from './image.js';
import type { ChainOptions } from './open-chain.js';
import { probeProblem } from './probe.js';
import { formatOf, HEAD_BYTES } from './signatures.js';
import { hostError, tooLarge } from './source.js';

/** What an image is, without mounting it. Sizes in bytes. */
export interface ImageInfo {
  path: string;
  format: string;
  /** Size of NAME.raw in a mount: a multiple of 512. Null for a format that cannot be mounted. */
  virtualSize: number | null;
  /** Size of the host file or device. */
  hostSize: number;
  /** What the host file takes on its disk; equal to hostSize for a block device. */
  allocated: number;
  blockDevice: boolean;
  /** Logical block size of the disk below, which O_DIRECT must keep to; null if unknown. */
  alignment: number | null;
  /** The image and its backing files; null for a format that cannot be mounted. */
  chain: LayerInfo[] | null;
  /** Null for all but qcow2. */
  features: FeatureInfo | null;
  snapshots: SnapshotInfo[];
  /** Sentences about what is wrong or cannot be mounted; empty for a good image. */
  problems: string[];
}

const SECTOR = 512;

/** Opens for reading; looks first, because opening a pipe waits and opening a tape rewinds it. */
async function openImage(path: string): Promise<{ file: FileHandle; stats: Stats }> {
  const stats = await stat(path).catch((error) => {
    throw hostError(path, error);
  });
  checkKind(path, stats);
  const file = await open(path).catch((error) => {
    throw hostError(path, error);
  });
  return { file, stats };
}

async function readNumber(path: string): Promise<number | null> {
  try {
    return Number(await readFile(path, 'utf8'));
  } catch {
    return null;
  }
}

function sysfs(device: number): string {
  const { major, minor } = splitDeviceNumber(device);
  return `/sys/dev/block/${major}:${minor}`;
}

/** Logical block size of a device; a partition has its disk's. */
async function logicalBlockSize(device: number): Promise<number | null> {
  const base = sysfs(device);
  const own = await readNumber(`${base}/queue/logical_block_size`);
  return own ?? (await readNumber(`${base}/../queue/logical_block_size`));
}

async function hostSize(path: string, stats: Stats): Promise<number> {
  if (!stats.isBlockDevice()) return stats.size;
  const sectors = await readNumber(`${sysfs(stats.rdev)}/size`);
  if (sectors !== null) return sectors * SECTOR;
  throw new SluiceError(`${path}: the size of the device is unknown`, 'ENXIO', EXIT_IMAGE);
}

function checkKind(path: string, stats: Stats): void {
  if (stats.isDirectory()) {
    throw new SluiceError(`${path}: a directory, not an image`, 'EISDIR', EXIT_IMAGE);
  }
  if (!stats.isFile() && !stats.isBlockDevice()) {
    const message = `${path}: neither a regular file nor a block device`;
    throw new SluiceError(message, 'EINVAL', EXIT_IMAGE);
  }
}

async function readHead(file: FileHandle): Promise<Buffer> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(HEAD_BYTES), 0, HEAD_BYTES, 0);
  return buffer.subarray(0, bytesRead);
}

function findProblems(size: number, blockDevice: boolean): string[] {
  const problems: string[] = [];
  if (size === 0 && blockDevice) problems.push('the device is empty: there is nothing to show');
  if (size === 0 && !blockDevice) {
    problems.push(
      'the file is empty: there is nothing to show; ' +
        'give it a size with truncate, or use --growable',
    );
  }
  return problems;
}

/**
 * Describes an image.
 *
 * @throws SluiceError exit code 1 if it cannot be opened, 3 if it is no image
 */
export async function describeImage(path: string, options: ChainOptions): Promise<ImageInfo> {
  const { file, stats } = await openImage(path);
  const { format } = options;
  try {
    const size = await hostSize(path, stats);
    if (size > SIZE_MAX) throw tooLarge(path);
    const claimed = format === 'auto' ? formatOf(await readHead(file)) : null;
    const shownAs = claimed ?? (format === 'auto' ? 'raw' : format);
    const blockDevice = stats.isBlockDevice();
    const probe = claimed === null ? null : probeProblem(path, claimed);
    const about = probe === null ? describeChain(path, options) : refused(probe);
    return {
      path,
      format: shownAs,
      hostSize: size,
      allocated: blockDevice ? size : stats.blocks * SECTOR,
      blockDevice,
      alignment: await logicalBlockSize(blockDevice ? stats.rdev : stats.dev),
      ...about,
      problems: [...about.problems, ...findProblems(size, blockDevice)],
    };
  } finally {
    await file.close();
  }
}
