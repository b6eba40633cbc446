import type { FuseMount } from '../fuse/mount.js';
import { close } from '../sys/libc.js';
import { formatReport } from '../tree/reports.js';
import { ERRNO, errnoName } from '../util/errno.js';
import { EXIT_MOUNT, EXIT_USAGE, SluiceError } from '../util/errors.js';
import type { Log } from './log.js';
import type { PlaneEnd, PlaneRunner } from './plane-thread.js';
import type { EndReason, Served } from './served.js';

/** umount(2) of a mount that is in use fails within microseconds; a loaded machine takes longer. */
const BUSY_KNOWN_MS = 50;

/** A mount and the thread that serves it, from the first request to the last flush. */
export class MountSession implements Served {
  readonly ended: Promise<EndReason>;
  notice?: string;
  /** Resolves when INIT has been answered. Rejects if the thread ends first; nothing stays mounted. */
  readonly ready: Promise<void>;

  /** It could not be detached, and the log says so. */
  #isStuck = false;
  readonly #mount: FuseMount;
  readonly #thread: PlaneRunner;
  readonly #log: Log;

  constructor(mount: FuseMount, thread: PlaneRunner, log: Log) {
    this.#mount = mount;
    this.#thread = thread;
    this.#log = log;
    this.ended = thread.ended.then((end) => this.#finish(end));
    this.ready = Promise.race([thread.ready, this.ended.then(notReady)]);
  }

  report(): void {
    for (const line of formatReport(this.#thread.figures.groups())) this.#log.info(line);
  }

  async stop(atOnce: boolean): Promise<void> {
    if (atOnce) return this.#abort();
    // Dirty pages of mapped files are written back meanwhile, so the thread still serves, and no limit
    // may hold them back. A mount that is busy says so at once: its users keep their limits.
    const drain = setTimeout(() => this.#thread.release(), BUSY_KNOWN_MS);
    try {
      await this.#mount.unmount(false);
    } catch (error) {
      this.#log.warn(`${(error as Error).message}; files that are open see ENOTCONN from now on`);
      await this.#detach();
    } finally {
      clearTimeout(drain);
    }
    this.#thread.finish();
    await this.ended;
  }

  async #abort(): Promise<void> {
    await this.#detach();
    await this.#thread.terminate();
    await this.ended;
  }

  /** Takes the mount out of the way. What cannot be detached is dead as soon as the thread has ended. */
  async #detach(): Promise<void> {
    try {
      await this.#mount.unmount(true);
    } catch (error) {
      if (this.#isStuck) return;
      this.#isStuck = true;
      this.#log.warn(`${(error as Error).message}; it stays as a dead mount: umount it later`);
    }
  }

  /** The thread is gone: so must be the mount. Detached first, for a dead one cannot be. */
  async #finish(end: PlaneEnd): Promise<EndReason> {
    await this.#detach();
    close(this.#mount.fd);
    if (end.kind !== 'ended') return end;
    // ENODEV is how the kernel tells of an unmount.
    if (end.errno !== 0 && end.errno !== ERRNO.ENODEV) {
      this.#log.warn(`the kernel ended the session: ${errnoName(end.errno)}`);
    }
    return { kind: 'unmounted', unflushed: end.unflushed };
  }
}

function notReady(reason: EndReason): never {
  if (reason.kind === 'refused') throw new SluiceError(reason.message, reason.errno, EXIT_USAGE);
  const why = reason.kind === 'crashed' ? reason.message : 'unmounted before it was ready';
  throw new SluiceError(`the data plane did not start: ${why}`, 'EIO', EXIT_MOUNT);
}
