import { existsSync, rmSync } from 'node:fs';
import type { ImageConfig, MountConfig } from '../daemon/config.js';
import { openChain } from '../image/open-chain.js';
import { createOverlay } from '../image/qcow2/create-overlay.js';
import { EXIT_IMAGE, EXIT_USAGE, SluiceError } from '../util/errors.js';

/** A mount's configuration with the overlay in the place of the image. */
export interface Overlaid {
  config: MountConfig;
  /** Takes an overlay away that was made for a mount which then came to nothing. */
  discard(): void;
}

/**
 * Puts an overlay over the one image of a mount: makes it, or takes one that is there.
 *
 * @throws SluiceError exit code 2 for more than one image, 3 for an overlay of another image
 */
export function addOverlay(config: MountConfig, overlay: string | null): Overlaid {
  const [image, ...others] = config.images;
  if (overlay === null || image === undefined) return { config, discard: () => {} };
  if (others.length > 0) {
    const message = '--overlay: takes one image; mount the others elsewhere';
    throw new SluiceError(message, 'EINVAL', EXIT_USAGE);
  }
  const isNew = !existsSync(overlay);
  if (isNew) makeOverlay(overlay, image);
  else checkOverlay(overlay, image);
  const images = [{ ...image, path: overlay, format: 'qcow2' as const, snapshot: null }];
  const discard = (): void => {
    if (isNew) rmSync(overlay, { force: true });
  };
  return { config: { ...config, images }, discard };
}

function makeOverlay(overlay: string, image: ImageConfig): void {
  if (image.snapshot !== null) {
    const message = `${image.path}: a snapshot cannot have an overlay`;
    throw new SluiceError(message, 'EINVAL', EXIT_USAGE);
  }
  const chain = openChain(image.path, image);
  chain.close();
  const { format, size } = chain.layers[0]!;
  createOverlay(overlay, image.path, format, size);
}

/** Writes that were meant for one image must not appear over another. */
function checkOverlay(overlay: string, image: ImageConfig): void {
  const chain = openChain(overlay, { ...image, format: 'qcow2', snapshot: null });
  const base = openChain(image.path, image);
  chain.close();
  base.close();
  if (chain.layers[1]?.source.identity === base.layers[0]!.source.identity) return;
  const message = `${overlay}: is there, and no overlay of ${image.path}; name another file`;
  throw new SluiceError(message, 'EEXIST', EXIT_IMAGE);
}
