import type { Disk } from './disks.js';
import { Failure } from './world.js';

/** An fsync that is under way. Times are ticks of the world. */
export interface Flush {
  sent: number;
  /** No other one of the same handle was under way, which could be told instead. */
  isAlone: boolean;
}

interface Handle {
  openedAt: number;
  /** An fsync of the handle has failed last. */
  toldAt: number;
  underWay: number;
}

/** After an fsync of the host has failed, the next fsync of each handle that was open then must fail. */
export class LossesCheck {
  readonly #handles = new Map<Disk, Handle>();

  opened(disk: Disk, now: number): void {
    this.#handles.set(disk, { openedAt: now, toldAt: 0, underWay: 0 });
  }

  begin(disk: Disk, now: number): Flush {
    const handle = this.#handles.get(disk)!;
    return { sent: now, isAlone: handle.underWay++ === 0 };
  }

  /**
   * An fsync is answered.
   * @param error 0 or -errno.
   * @param lostAt When an fsync of the host has failed last for the image; 0: never.
   */
  end(disk: Disk, { sent, isAlone }: Flush, error: number, lostAt: number, now: number): void {
    const handle = this.#handles.get(disk)!;
    handle.underWay--;
    if (error < 0) handle.toldAt = now;
    else if (isAlone && lostAt < sent && handle.openedAt < lostAt && handle.toldAt < lostAt) {
      throw new Failure(`an fsync of ${disk.name} says that all is well after one that has failed`);
    }
  }
}
