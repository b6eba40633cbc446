import type { Hold } from '../host/local-file.js';
import { close } from '../sys/libc.js';
import type { ImageConfig } from './config.js';

/** A hold as one daemon hands it to the next. */
export interface HandedHold extends Hold {
  /** Name of the image that has the file. */
  image: string;
}

/** Images with what keeps their files, so that the files that were served are opened, wherever their paths lead to by now. */
export function withHolds(
  images: readonly ImageConfig[],
  holds: readonly HandedHold[],
): ImageConfig[] {
  return images.map((image) => {
    return { ...image, held: holds.filter((hold) => hold.image === image.name) };
  });
}

/** Closes the holds that no image has taken. */
export function closeUnused(holds: readonly HandedHold[]): void {
  for (const { descriptor, claim, memory } of holds) {
    for (const one of [descriptor, claim, memory]) if (one >= 0) close(one);
  }
}
