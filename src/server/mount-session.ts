import type { FuseMount } from '../fuse/mount.js';
import type { DiskConfig } from '../plane/disk.js';
import { close } from '../sys/libc.js';
import { formatReport } from '../tree/reports.js';
import type { HandOver } from './hand-over.js';
import type { Obedient } from './image-orders.js';
import type { Log } from './log.js';
import type { OpenDisks } from './open-disks.js';
import type { PlaneRunner } from './plane-thread.js';

/** umount(2) of a mount that is in use fails within microseconds; a loaded machine takes longer. */
const BUSY_KNOWN_MS = 50;

/** A mount, the data plane that serves it, and the files behind it. */
export class MountSession {
  readonly plane: PlaneRunner;
  /** One line for the user who mounts. */
  readonly notice: string | undefined;
  readonly #orders: Obedient;
  /** Where another process can go on with the mount. */
  readonly #handOver: Pick<HandOver, 'finish' | 'giveUp' | 'isKept'> | null;
  readonly #mount: FuseMount;
  readonly #files: OpenDisks;
  readonly #log: Log;
  /** The attempt to detach that is under way. */
  #detaching: Promise<void> | null = null;
  /** It could not be detached, and the log says so. */
  #isStuck = false;

  constructor(
    mount: FuseMount,
    plane: PlaneRunner,
    files: OpenDisks,
    log: Log,
    orders: Obedient,
    notice?: string,
    handOver: Pick<HandOver, 'finish' | 'giveUp' | 'isKept'> | null = null,
  ) {
    this.#handOver = handOver;
    this.#orders = orders;
    this.#mount = mount;
    this.plane = plane;
    this.#files = files;
    this.#log = log;
    this.notice = notice;
  }

  /** The images that it has now. */
  get images(): readonly Pick<DiskConfig, 'name' | 'path'>[] {
    return this.#files.disks;
  }

  /** Writes the figures of all groups to the log. */
  report(): void {
    for (const line of formatReport(this.plane.figures.groups())) this.#log.info(line);
  }

  /** Reads the configuration file again; the log says how that comes out. Does not reject. */
  async reload(): Promise<void> {
    try {
      await this.#orders.obey({ kind: 'reload' }, (text) => this.#log.warn(text));
    } catch (error) {
      this.#log.error(`not reloaded: ${(error as Error).message}`);
    }
  }

  /** Unmounts; a mount that is in use is detached. Does not reject. */
  async unmount(): Promise<void> {
    // Dirty pages of mapped files are written back meanwhile, so the plane still serves, and no limit
    // may hold them back. A mount that is busy says so at once: its users keep their limits.
    const drain = setTimeout(() => this.plane.release(), BUSY_KNOWN_MS);
    try {
      await this.#mount.unmount(false);
    } catch (error) {
      const passed = this.#files.disks.filter(({ backing }) => backing !== undefined);
      const names = passed.map(({ name }) => name).join(', ');
      const but = names === '' ? '' : `, but who has ${names} open goes on with its file`;
      const what = 'files that are open see ENOTCONN from now on';
      this.#log.warn(`${(error as Error).message}; ${what}${but}`);
      await this.#detach();
    } finally {
      clearTimeout(drain);
    }
  }

  /**
   * Ends mount and plane. The mount is detached first, because a dead one cannot be.
   *
   * @param isQuiet No request is under way: the images are unlocked. Otherwise the kernel unlocks each of
   *   them when its last request has ended, which nobody may overtake.
   */
  async close(isQuiet: boolean): Promise<void> {
    await this.#handOver?.giveUp();
    await this.#detach();
    await this.plane.terminate();
    if (isQuiet) await this.#files.unlock();
    this.#closeFiles();
  }

  /** Ends this process where a keeper starts another one for the mount. False: there is none. */
  die(why: string): boolean {
    if (this.#handOver?.isKept !== true) return false;
    this.#log.error(`the daemon dies: ${why}`);
    process.kill(process.pid, 'SIGKILL');
    return true;
  }

  /**
   * Ends the plane, lets the process that has the descriptors of the mount go on with it, and closes everything.
   */
  async letGo(): Promise<void> {
    await this.plane.terminate();
    this.#files.unlockOwn();
    await this.#handOver?.finish();
    this.#closeFiles();
  }

  #closeFiles(): void {
    close(this.#mount.fd);
    // Not left to the end of the process: it may end late, and the locks would be held until then.
    this.#files.close();
  }

  /** Takes the mount out of the way. If that fails, it is a dead mount as soon as the plane has ended. */
  #detach(): Promise<void> {
    // Of two attempts at once the slower one would find no mount.
    this.#detaching ??= this.#tryToDetach().finally(() => {
      this.#detaching = null;
    });
    return this.#detaching;
  }

  async #tryToDetach(): Promise<void> {
    try {
      await this.#mount.unmount(true);
    } catch (error) {
      if (this.#isStuck) return;
      this.#isStuck = true;
      this.#log.warn(`${(error as Error).message}; it stays as a dead mount: umount it later`);
    }
  }
}
