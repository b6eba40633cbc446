import { existsSync, rmSync } from 'node:fs';
import { formatNamed, overlayFormat } from '../image/formats.js';
import { type ChainOptions, type OpenLayer, openChain } from '../image/open-chain.js';
import { EXIT_IMAGE, EXIT_USAGE, SluiceError } from '../util/errors.js';
import type { ImageConfig, MountConfig } from './config.js';

/** A mount's configuration with the overlay in the place of the image. */
export interface Overlaid<Config> {
  config: Config;
  /** The overlay was made. */
  isNew: boolean;
  /** Takes an overlay away that was made for a mount which then came to nothing. */
  discard(): void;
}

/**
 * Puts an overlay over the one image of a mount: makes it, or takes one that is there.
 *
 * @throws SluiceError exit code 2 for more than one image, 3 for an overlay of another image
 */
export function addOverlay<Config extends Pick<MountConfig, 'images'>>(
  config: Config,
  overlay: string | null,
): Overlaid<Config> {
  const [image, ...others] = config.images;
  if (overlay === null || image === undefined) return { config, isNew: false, discard: () => {} };
  if (others.length > 0) {
    const message = '--overlay: takes one image; mount the others elsewhere';
    throw new SluiceError(message, 'EINVAL', EXIT_USAGE);
  }
  const isNew = !existsSync(overlay);
  const over = overlaid(overlay, image);
  if (isNew) makeOverlay(overlay, image);
  else checkOverlay(over, image);
  const discard = (): void => {
    if (isNew) rmSync(overlay, { force: true });
  };
  return { config: { ...config, images: [over] }, isNew, discard };
}

/**
 * The overlay as the image of the mount. Formats of the command line count from the image that it
 * names, one layer below; and that image is a file that the command line names.
 */
function overlaid(overlay: string, image: ImageConfig): ImageConfig {
  const { named } = image;
  const format = openTop(image.path, image).format;
  return {
    ...image,
    path: overlay,
    format: overlayFormat().name,
    backingFormats: [format, ...image.backingFormats],
    snapshot: null,
    ...(named && { named: { ...named, backingFiles: [image.path, ...named.backingFiles] } }),
  };
}

/** The first layer of a chain that can be opened. */
function openTop(path: string, options: ChainOptions): OpenLayer {
  const chain = openChain(path, options);
  chain.close();
  return chain.layers[0]!;
}

function makeOverlay(overlay: string, image: ImageConfig): void {
  if (image.snapshot !== null) {
    const message = `${image.path}: a snapshot cannot have an overlay`;
    throw new SluiceError(message, 'EINVAL', EXIT_USAGE);
  }
  const { format, image: base } = openTop(image.path, image);
  const { name, qemuName = name } = formatNamed(format);
  overlayFormat().create(overlay, { path: image.path, format: qemuName, size: base.size });
}

/** Writes that were meant for one image must not appear over another, or over another reading of it. */
function checkOverlay(overlay: ImageConfig, image: ImageConfig): void {
  const chain = openChain(overlay.path, overlay);
  chain.close();
  const base = openTop(image.path, image);
  const below = chain.layers[1];
  const { path } = overlay;
  if (below?.file.identity !== base.file.identity) {
    const message = `${path}: is there, and no overlay of ${image.path}; name another file`;
    throw new SluiceError(message, 'EEXIST', EXIT_IMAGE);
  }
  if (below.format === base.format) return;
  const message = `${path}: takes ${image.path} for ${below.format}, not ${base.format}; name another file`;
  throw new SluiceError(message, 'EEXIST', EXIT_IMAGE);
}
