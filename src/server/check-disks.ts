import type { HostFile } from '../host/host-file.js';
import { formatNamed } from '../image/formats.js';
import type { OpenLayer } from '../image/open-chain.js';
import type { TableFound } from '../image/read-image.js';
import { notWritable } from '../image/refusal.js';
import { isNbdUri } from '../nbd/uri.js';
import { isShown } from '../partitions/table.js';
import { partitionName } from '../plane/image-partitions.js';
import { EXIT_IMAGE, EXIT_USAGE, refuse, SluiceError } from '../util/errors.js';
import type { ImageConfig } from './config.js';

/** @throws SluiceError exit code 3 for an image that can only be read */
export function checkWritable(
  { file, format, image }: OpenLayer,
  { snapshot }: Pick<ImageConfig, 'snapshot'>,
): void {
  const { makeWriter, makeDriver } = formatNamed(format);
  const isWritable = makeWriter !== undefined || makeDriver !== undefined;
  if (!isWritable) throw notWritable(file.path, `an image of the format ${format}`);
  if (snapshot !== null) {
    const message = `${file.path}: a snapshot cannot be written; use --read-only`;
    throw new SluiceError(message, 'EROFS', EXIT_IMAGE);
  }
  image.checkWriting?.();
}

/**
 * The one export of an image, which a cache is for.
 *
 * @param files All files of the image.
 * @throws SluiceError exit code 2 if there is none, or another one
 */
export function exportToCache(path: string, files: readonly HostFile[]): HostFile {
  const [one, other] = files.filter((file) => isNbdUri(file.path));
  if (one === undefined) throw refuse(`--cache-file: ${path} is on no NBD server; leave it out`);
  if (other === undefined) return one;
  throw refuse(`--cache-file: is for one export, and ${path} has ${one.path} and ${other.path}`);
}

/** An image, as far as its name goes. */
export interface DiskName {
  name: string;
  path: string;
}

/** An image with the partitions that it has. */
export interface WithTable extends DiskName {
  partitions?: Pick<TableFound, 'table'> | undefined;
}

/**
 * Refuses an image that has the name of a partition of another one.
 *
 * @param others Images that the mount has already.
 * @throws SluiceError EEXIST, exit code 2
 */
export function checkPartitionNames(
  disks: readonly WithTable[],
  others: readonly DiskName[],
): void {
  const names = new Map([...others, ...disks].map((disk) => [disk.name, disk]));
  for (const { name, path, partitions } of disks) {
    const found = partitions?.table?.partitions ?? [];
    for (const partition of found) {
      const other = names.get(partitionName(name, partition.number));
      if (other === undefined || !isShown(partition, Infinity)) continue;
      const ways = 'give one of them another name with NAME=IMAGE, or use --no-partitions';
      const what = `the name "${other.name}" is that of partition ${partition.number} of ${path}`;
      throw new SluiceError(`${other.path}: ${what}; ${ways}`, 'EEXIST', EXIT_USAGE);
    }
  }
}
