import { release } from 'node:os';
import { formatNamed } from '../image/formats.js';
import type { DiskConfig } from '../plane/disk.js';
import { EXIT_FAILED, EXIT_USAGE, SluiceError } from '../util/errors.js';
import { isLinuxSince } from '../util/version.js';
import { DISCARD, type ImageConfig, type MountConfig } from './config.js';

/** A mount that is to outlive its daemon. */
export interface Going {
  config: Pick<MountConfig, 'groups' | 'foreground'>;
  transport: string;
  /** As they were asked for. */
  asked: readonly Pick<ImageConfig, 'name' | 'overlay'>[];
  disks: readonly DiskConfig[];
}

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
    : (ofMount(going) ?? first(going.disks, ofDeath));
  if (why !== null) {
    throw new SluiceError(`--keeper: ${why}; leave it out`, 'EOPNOTSUPP', EXIT_USAGE);
  }
}

/** What keeps an image from a mount that has a keeper; null: nothing. */
export function hindranceOf(disk: DiskConfig, overlay: string | null): string | null {
  const { name } = disk;
  return ofOverlays([overlay === null ? { name } : { name, overlay }]) ?? ofDeath(disk);
}

/** The kernel can send requests again (Linux 6.9). */
export function hasResend(): boolean {
  return isLinuxSince(6, 9);
}

function ofMount({ config: { groups }, transport, asked }: Going): string | null {
  if (transport !== 'uring') return `the transport is ${transport}, and uring is needed`;
  if (!hasResend()) return `this is Linux ${release()}, and 6.9 is needed`;
  if (groups.some(({ shared }) => shared !== undefined)) return 'hosts share limits of its groups';
  return ofOverlays(asked);
}

function ofOverlays(asked: Going['asked']): string | null {
  const temporary = asked.find(({ overlay }) => overlay === DISCARD);
  return temporary === undefined ? null : `what is written to ${temporary.name} is not kept`;
}

function ofDisk({ path, backing, image }: DiskConfig): string | null {
  if (backing !== undefined) return `${path} is passed through`;
  const isExport = image.files.some(({ nbd }) => nbd !== undefined);
  return isExport ? `${path} is an export of an NBD server` : null;
}

function ofHandOver(disk: DiskConfig): string | null {
  const { path, format, readOnly } = disk;
  const isTaken = readOnly || formatNamed(format).changesHands === true;
  return ofDisk(disk) ?? (isTaken ? null : `${path} is ${format}, and is written`);
}

/** Of other images that are written, a part is in the memory of the daemon, and nowhere else. */
function ofDeath(disk: DiskConfig): string | null {
  const { path, format, readOnly } = disk;
  const { isItsFile = false, hasRedoLog = false } = formatNamed(format);
  const isWhole = readOnly || isItsFile || hasRedoLog;
  const why = `${path} is ${format} and written, so a part of it would die with the daemon`;
  return ofDisk(disk) ?? (isWhole ? null : why);
}

function first(
  disks: readonly DiskConfig[],
  hindrance: (disk: DiskConfig) => string | null,
): string | null {
  for (const disk of disks) {
    const why = hindrance(disk);
    if (why !== null) return why;
  }
  return null;
}
