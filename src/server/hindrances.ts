import { release } from 'node:os';
import { formatNamed } from '../image/formats.js';
import type { DiskConfig } from '../plane/disk.js';
import { EXIT_FAILED, EXIT_USAGE, SluiceError } from '../util/errors.js';
import { isLinuxSince } from '../util/version.js';
import type { MountConfig } from './config.js';

/** A mount that is to outlive its daemon. */
export interface Going {
  config: Pick<MountConfig, 'groups' | 'foreground'>;
  transport: string;
  disks: readonly GoingDisk[];
}

/** What of an image decides whether it can go to another process. */
export type GoingDisk = Pick<DiskConfig, 'name' | 'path' | 'format' | 'readOnly' | 'backing'> & {
  image: { files: readonly { nbd?: object | undefined }[] };
};

/**
 * @param isService A service manager knows how to follow from one process to the next.
 * @throws SluiceError EOPNOTSUPP, naming what keeps the mount from going to another process
 */
export function checkHandOver(going: Going, isService: boolean): void {
  const why =
    going.config.foreground && !isService
      ? 'it runs in the foreground, and not as a service of Type=notify'
      : (ofMount(going) ?? first(going.disks, ofHandOver));
  if (why !== null) throw impossible(why);
}

export function impossible(why: string): SluiceError {
  const what = `the mount cannot go to a new daemon: ${why}; umount and mount again`;
  return new SluiceError(what, 'EOPNOTSUPP', EXIT_FAILED);
}

/** @throws SluiceError EOPNOTSUPP, naming what keeps the mount from going on after the death of its daemon */
export function checkKept(going: Going): void {
  const why = going.config.foreground
    ? 'a mount in the foreground is started again by whoever has started it'
    : (ofMount(going) ?? first(going.disks, hindranceOf));
  if (why !== null) {
    throw new SluiceError(`--keeper: ${why}; leave it out`, 'EOPNOTSUPP', EXIT_USAGE);
  }
}

/** The kernel can send requests again (Linux 6.9). */
export function hasResend(): boolean {
  return isLinuxSince(6, 9);
}

function ofMount({ config: { groups }, transport }: Going): string | null {
  if (transport !== 'uring') return `the transport is ${transport}, and uring is needed`;
  if (!hasResend()) return `this is Linux ${release()}, and 6.9 is needed`;
  const isShared = groups.some(({ shared }) => shared !== undefined);
  return isShared ? 'hosts share limits of its groups' : null;
}

function ofDisk({ path, backing, image }: GoingDisk): string | null {
  if (backing !== undefined) return `${path} is passed through`;
  const isExport = image.files.some(({ nbd }) => nbd !== undefined);
  return isExport ? `${path} is an export of an NBD server` : null;
}

function ofHandOver(disk: GoingDisk): string | null {
  const { path, format, readOnly } = disk;
  const isTaken = readOnly || formatNamed(format).changesHands === true;
  return ofDisk(disk) ?? (isTaken ? null : `${path} is ${format}, and is written`);
}

/**
 * What keeps an image from a mount that has a keeper; null: nothing. Of some images that are written, a part is in the
 * memory of the daemon, and nowhere else.
 */
export function hindranceOf(disk: GoingDisk): string | null {
  const { path, format, readOnly } = disk;
  const { isItsFile = false, hasRedoLog = false } = formatNamed(format);
  const isWhole = readOnly || isItsFile || hasRedoLog;
  const why = `${path} is ${format} and written, so a part of it would die with the daemon`;
  return ofDisk(disk) ?? (isWhole ? null : why);
}

function first(
  disks: readonly GoingDisk[],
  hindrance: (disk: GoingDisk) => string | null,
): string | null {
  for (const disk of disks) {
    const why = hindrance(disk);
    if (why !== null) return why;
  }
  return null;
}
