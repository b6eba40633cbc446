import { ERRNO } from '../../src/util/errno.js';
import type { Disk, Image } from './disks.js';
import type { HostFiles } from './host-files.js';
import type { NbdHosts } from './nbd-hosts.js';

/** Which errors the faults of the host explain. */
export class Blame {
  readonly #files: HostFiles;
  readonly #remote: NbdHosts | null;
  /** From the last state of a daemon to its death, ticks. */
  readonly #unkept: { from: number; to: number }[] = [];

  constructor(files: HostFiles, remote: NbdHosts | null) {
    this.#files = files;
    this.#remote = remote;
  }

  /** An error in a request's own name is no excuse for one of a raw image, where every request is alone. */
  excused(errno: number, { image }: Disk): boolean {
    const { faults, given } = this.#files;
    if (errno === 0) return faults > 0;
    if (errno === ERRNO.EIO && this.#remote?.hasFailed(image.plan.name) === true) return true;
    if (image.isInPlace) return false;
    return faults > 0 && (given.has(errno) || errno === 5);
  }

  /** Tick at which an fsync of the host has failed last since the image came; 0: none has. */
  lostAt(image: Image): number {
    const at = this.#files.lostAt(image.plan.name);
    return image.stay !== null && at < image.stay.since ? 0 : at;
  }

  /** A daemon has died, whose state was written last at the tick `from`. */
  died(from: number, to: number): void {
    this.#unkept.push({ from, to });
  }

  /**
   * Tick of the last failed fsync of which open files must be told; 0: none. A daemon that died before its state had the loss
   * takes the news along, because the host reports a loss once. The mark of an image that is written for the first time has
   * an fsync of its own, whose error is that of the write: there is nothing to lose yet.
   */
  toTellAt(image: Image): number {
    const at = this.lostAt(image);
    if (image.template.kind?.marks && !image.contents.hasChangedBefore(at)) return 0;
    return this.#unkept.some(({ from, to }) => at > from && at <= to) ? 0 : at;
  }
}
