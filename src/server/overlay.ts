import { existsSync, rmSync } from 'node:fs';
import { formatNamed, overlayFormat } from '../image/formats.js';
import { type ChainOptions, type OpenLayer, openChain } from '../image/open-chain.js';
import { EXIT_IMAGE, EXIT_USAGE, SluiceError } from '../util/errors.js';
import type { ImageConfig, MountConfig } from './config.js';

/** A configuration with overlays in the place of the images that have some. */
export interface Overlaid<Config> {
  config: Config;
  /** Paths of the overlays that were made. */
  made: readonly string[];
  /** Takes overlays away that were made for a mount which then came to nothing. */
  discard(): void;
}

/**
 * Puts the overlays of images over them: makes them, or takes those that are there.
 *
 * @throws SluiceError exit code 3 for an overlay of another image. None is made then.
 */
export function addOverlays<Config extends Pick<MountConfig, 'images'>>(
  config: Config,
): Overlaid<Config> {
  const made: string[] = [];
  const discard = (): void => {
    for (const path of made) rmSync(path, { force: true });
  };
  try {
    const images = config.images.map((image) => addOverlay(image, made));
    return { config: { ...config, images }, made, discard };
  } catch (error) {
    discard();
    throw error;
  }
}

function addOverlay(image: ImageConfig, made: string[]): ImageConfig {
  const { overlay, ...below } = image;
  if (overlay === undefined) return image;
  const isNew = !existsSync(overlay);
  const over = overlaid(overlay, below);
  if (!isNew) {
    checkOverlay(over, below);
    return over;
  }
  makeOverlay(overlay, below);
  made.push(overlay);
  return over;
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
