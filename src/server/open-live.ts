import { EXIT_USAGE, SluiceError } from '../util/errors.js';
import { checkImages, type MountedImage } from './check-images.js';
import { DISCARD, type DiskOptions, type ImageConfig, type OverlayAction } from './config.js';
import type { Log } from './log.js';
import { openDisks } from './open-disks.js';
import type { OpenImage } from './open-images.js';
import { addOverlays } from './overlay.js';

/** An image to open for a mount that is served. Plain data. */
export interface LiveImage {
  /** With one image. */
  options: DiskOptions;
  /** Images that the mount has already. */
  mounted: readonly MountedImage[];
  logFile: string | null;
}

/** An image that is open. Plain data. */
export interface Opened {
  image: OpenImage;
  /** Path of the overlay that was made for it; null: none was. */
  madeOverlay: string | null;
}

/** An overlay of a mount's image to change. Plain data. */
export interface AskedOverlay {
  action: OverlayAction;
  /** As it was asked for: with an overlay, or an overlay itself. It is not attached. */
  image: ImageConfig;
}

/** Commits or resets an overlay: see `changeOverlay`. */
export async function changeAsked(
  { action, image }: AskedOverlay,
  log: Log,
  warn: (text: string) => void,
): Promise<void> {
  const [overlay] = addOverlays({ images: [image] }).config.images as [ImageConfig];
  // Loaded only here: most images come without.
  const { changeOverlay } = await import('./change-overlay.js');
  await changeOverlay({ ...overlay, action }, log, warn);
}

/**
 * Opens an image as `sluice mount` does, with the same checks.
 *
 * @param warn Called with sentences for the user.
 * @throws SluiceError naming the file. Nothing stays open then, and no overlay.
 */
export async function openLive(
  { options, mounted, logFile }: LiveImage,
  log: Log,
  warn: (text: string) => void,
): Promise<Opened> {
  checkName(options, mounted);
  const overlaid = addOverlays(options);
  try {
    checkImages({ ...overlaid.config, logFile }, warn, mounted);
    checkSame(options, mounted);
    const { all } = await openDisks(overlaid.config, log, mounted);
    return { image: all[0]!, madeOverlay: overlaid.made[0] ?? null };
  } catch (error) {
    overlaid.discard();
    throw error;
  }
}

/** Throws if the mount has an image of this name and path, which is another file: the same one is refused before. */
function checkSame({ images }: DiskOptions, mounted: readonly MountedImage[]): void {
  const [{ name, path }] = images as [DiskOptions['images'][0]];
  if (!mounted.some((one) => one.name === name)) return;
  const what = 'was replaced by another file beneath the mount';
  const advice = `the mount has the old one: detach ${name} first`;
  throw new SluiceError(`${path}: ${what}; ${advice}`, 'EEXIST', EXIT_USAGE);
}

function checkName({ images }: DiskOptions, mounted: readonly MountedImage[]): void {
  const [{ name, path, overlay }] = images as [DiskOptions['images'][0]];
  const other = mounted.find((one) => one.name === name);
  // A temporary overlay is no image that could be given twice.
  if (other === undefined || (other.path === path && overlay !== DISCARD)) return;
  const ways = 'give one of them another name with NAME=IMAGE';
  const message = `${path}: the name "${name}" is taken by ${other.path}; ${ways}`;
  throw new SluiceError(message, 'EEXIST', EXIT_USAGE);
}
