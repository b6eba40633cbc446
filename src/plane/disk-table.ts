import type { Disk } from './disk.js';

/**
 * The disks of a mount by number. A number is used again once its disk is gone and no request is about it
 * any more; a node of the tree is never used again, so nobody takes one disk for the other.
 */
export class DiskTable {
  /** Undefined where a number is free. */
  readonly disks: (Disk | undefined)[] = [];
  readonly #unused: number[] = [];

  /** @returns The number of the disk. */
  add(disk: Disk): number {
    const number = this.#unused.pop() ?? this.disks.length;
    this.disks[number] = disk;
    return number;
  }

  /** Another disk takes the place of one. */
  replace(number: number, disk: Disk): void {
    this.disks[number] = disk;
  }

  remove(number: number): void {
    this.disks[number] = undefined;
    this.#unused.push(number);
  }
}
