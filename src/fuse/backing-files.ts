import { constants } from 'node:fs';
import { O_CLOEXEC } from '../sys/constants.js';
import { close, ioctl, open } from '../sys/libc.js';
import { ERRNO, errnoName } from '../util/errno.js';
import { EXIT_IMAGE, EXIT_MOUNT, SluiceError } from '../util/errors.js';
import * as abi from './abi.js';
import type { Negotiated } from './init.js';

/** A disk of the mount, as far as it may be passed through. */
export interface Passable {
  readonly name: string;
  /** A descriptor of its host file for the kernel; missing: it is not passed through. */
  readonly backing?: number | undefined;
}

/** The reasons by the errno with which the kernel refuses a file: see fs/fuse/backing.c. */
const REFUSALS: Readonly<Record<string, string>> = {
  EPERM: 'root needs CAP_SYS_ADMIN for that, which a container withholds',
  EINVAL: 'it is no regular file',
  ELOOP: 'it lies on too many file systems on each other',
  ENOTSUP: 'its file system cannot do that',
};

/**
 * The host files that the kernel reads and writes by itself for those who open their disks (FUSE
 * passthrough, Linux 6.9). The kernel knows each by an ID and keeps it open, with the locks of its
 * descriptor, as long as the ID exists or a program has the disk open, whatever becomes of this process.
 */
export class BackingFiles {
  readonly #disks: readonly Passable[];
  readonly #device: number;
  readonly #ioctl: typeof ioctl;
  /** By disk; 0: none. */
  readonly #ids: Int32Array;

  /** @param device /dev/fuse, or a stand-in with its `control`. */
  constructor(disks: readonly Passable[], device = -1, control = ioctl) {
    this.#disks = disks;
    this.#device = device;
    this.#ioctl = control;
    this.#ids = new Int32Array(disks.length);
  }

  /** A disk is to be passed through. */
  get isWanted(): boolean {
    return this.#disks.some(({ backing }) => backing !== undefined);
  }

  /** The ID of a disk's file; 0 if it is not passed through. */
  of(disk: number): number {
    return this.#ids[disk] ?? 0;
  }

  /**
   * Hands the files to the kernel, once it has the reply to INIT.
   *
   * @throws SluiceError ENOSYS, exit code 4, for a kernel without passthrough; that of a file that it
   *   refuses, exit code 3
   */
  open({ flags2 }: Pick<Negotiated, 'flags2'>): void {
    if (!this.isWanted) return;
    if ((flags2 & abi.PASSTHROUGH) === 0) {
      const needs = 'Linux 6.9 or newer with CONFIG_FUSE_PASSTHROUGH is needed';
      const message = `this kernel passes no files through; ${needs}: leave --passthrough out`;
      throw new SluiceError(message, 'ENOSYS', EXIT_MOUNT);
    }
    for (const [disk, { name, backing }] of this.#disks.entries()) {
      if (backing !== undefined) this.#ids[disk] = this.#open(name, backing);
    }
  }

  /** Takes the files from the kernel. It still keeps one that a program has open. */
  close(): void {
    for (const id of this.#ids.filter((one) => one !== 0)) this.#closeId(id);
    this.#ids.fill(0);
  }

  #closeId(id: number): void {
    const view = new DataView(new ArrayBuffer(4));
    view.setUint32(0, id, true);
    this.#ioctl(this.#device, abi.BACKING_CLOSE, view);
  }

  /** A disk goes. */
  release(disk: number): void {
    const id = this.of(disk);
    if (id === 0) return;
    this.#closeId(id);
    this.#ids[disk] = 0;
  }

  #open(name: string, descriptor: number): number {
    const map = new DataView(new ArrayBuffer(abi.BACKING_MAP_BYTES));
    map.setInt32(abi.BACKING_MAP_FD, descriptor, true);
    const id = this.#ioctl(this.#device, abi.BACKING_OPEN, map);
    if (id > 0) return id;
    const errno = errnoName(id === 0 ? ERRNO.EIO : id);
    const why = REFUSALS[errno] ?? 'leave --passthrough out';
    const message = `${name}: the kernel does not pass its file through (${errno}): ${why}`;
    throw new SluiceError(message, errno, errno === 'EPERM' ? EXIT_MOUNT : EXIT_IMAGE);
  }
}

/** Whether this kernel has passthrough, as far as it can tell without a mount. */
export function knowsBackingFiles(): boolean {
  const device = open('/dev/fuse', constants.O_RDWR | O_CLOEXEC, 0);
  if (device < 0) return false;
  const map = new DataView(new ArrayBuffer(abi.BACKING_MAP_BYTES));
  // One that knows the command asks for a mount first (EPERM).
  const result = ioctl(device, abi.BACKING_OPEN, map);
  close(device);
  return result !== -ERRNO.ENOTTY;
}
