import { copyFileSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { ImageOrder } from '../../src/server/image-order.js';
import type { Random } from '../exerciser/random.js';
import type { Image } from './disks.js';
import type { HostFiles } from './host-files.js';
import { bytesOf } from './templates.js';
import { Failure } from './world.js';

/** An order that attaches the image below with its overlay, which is made anew in one of two. */
export function orderOverlay(
  order: Extract<ImageOrder, { kind: 'attach' }>,
  image: Image,
  random: Random,
): void {
  const { name, format } = image.template.kind!.below!;
  order.image = { ...order.image, path: join(dirname(image.path), name), format };
  order.overlay = image.path;
  image.comesNew = random.oneIn(2);
  image.hasNew = false;
}

/**
 * Opens an image that comes with an overlay.
 *
 * @param open Does so; no simulated time passes meanwhile.
 */
export async function openOverlay<T>(
  image: Image,
  files: HostFiles,
  open: () => Promise<T>,
): Promise<T> {
  if (!image.comesNew) return await open();
  const before = readFileSync(image.path);
  rmSync(image.path);
  try {
    const opened = await open();
    const below = bytesOf(dirname(image.path), 'bytes-below');
    image.contents.replace(below);
    image.setSize(below.length);
    image.hasNew = true;
    files.replaced(image.plan.name);
    return opened;
  } catch (error) {
    if (existsSync(image.path)) throw new Failure(`${image.path} was made, and stays`);
    writeFileSync(image.path, before);
    throw error;
  }
}

/** The image has not come: a new overlay is gone again. */
export function checkNoOverlay(image: Image): void {
  if (image.hasNew && existsSync(image.path)) {
    throw new Failure(`${image.plan.name} has not come, and its new overlay stays`);
  }
  restoreOverlay(image);
}

/** Makes the overlay of an image again that has not come with a new one. */
export function restoreOverlay({ path }: Image): void {
  if (!existsSync(path)) copyFileSync(join(dirname(path), 'new-overlay'), path);
}
