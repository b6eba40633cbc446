import type { Throttle } from '../throttle/throttle.js';

/** Devices that weights share one by one: each has its own tables of all groups and members. */
const DEVICES_MAX = 16;
/** Places for devices of images that come later. A place takes memory, and no time before it is used. */
const SPARE = 3;

interface Slot {
  device: number;
  /** Images that lie there. */
  users: number;
}

/** How many devices a throttle needs places for, which begins with these. */
export function devicePlaces(devices: readonly number[]): { places: number; inUse: number } {
  const inUse = Math.min(DEVICES_MAX, Math.max(1, new Set(devices).size));
  return { places: Math.min(DEVICES_MAX, inUse + SPARE), inUse };
}

/**
 * The numbers by which the throttle knows the devices of images. When all are given out, an image on another
 * device counts there as one on the last.
 */
export class DeviceSlots {
  readonly #slots: Slot[] = [];
  readonly #places: number;
  readonly #throttle: Throttle;

  constructor(places: number, throttle: Throttle) {
    this.#places = places;
    this.#throttle = throttle;
  }

  /** An image on a device comes. @returns The throttle's number of it. */
  take(device: number): number {
    let at = this.#slots.findIndex((slot) => slot.users > 0 && slot.device === device);
    if (at === -1) at = this.#slots.findIndex((slot) => slot.users === 0);
    if (at === -1) at = Math.min(this.#slots.length, this.#places - 1);
    this.#slots[at] ??= { device, users: 0 };
    const slot = this.#slots[at];
    if (slot.users === 0) slot.device = device;
    slot.users++;
    this.#throttle.useDevices(at + 1);
    return at;
  }

  /** The image goes. @param at What `take` has returned for it. */
  release(at: number): void {
    this.#slots[at]!.users--;
  }
}
