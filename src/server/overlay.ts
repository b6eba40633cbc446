import { randomUUID } from 'node:crypto';
import { closeSync, constants, existsSync, openSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { holdOf } from '../host/host-file.js';
import { formatNamed, overlayFormat } from '../image/formats.js';
import {
  type ChainOptions,
  type OpenChain,
  type OpenLayer,
  openChain,
  openHere,
} from '../image/open-chain.js';
import { O_TMPFILE } from '../sys/constants.js';
import { EXIT_FAILED, EXIT_IMAGE, EXIT_USAGE, SluiceError } from '../util/errors.js';
import { DISCARD, type ImageConfig, type MountConfig } from './config.js';

/** Where temporary files may be large, if TMPDIR does not say: often a disk, where /tmp is memory. */
const TEMPORARY_FILES = '/var/tmp';

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
  // A temporary one is made where the image is opened.
  if (overlay === undefined || overlay === DISCARD) return image;
  const isThere = holdOf(overlay, image.held) !== null || existsSync(overlay);
  if (isThere) return { ...overlayThere(overlay, below, openChain), asked: image };
  checkOther(overlay, below);
  const over = overlaid(overlay, below, openChain);
  makeOverlay(overlay, below);
  made.push(overlay);
  return { ...over, asked: image };
}

/**
 * The image that a mount would open for another one: its overlay, if there is one. Nothing is made, and no server asked. Without
 * an overlay that is there, what is written goes to a new one.
 *
 * @param image Its file is there, and on no server.
 * @throws SluiceError as `addOverlays`
 */
export function seenThrough(image: ImageConfig): ImageConfig {
  const { overlay, ...below } = image;
  if (overlay === undefined) return image;
  if (overlay !== DISCARD && existsSync(overlay)) return overlayThere(overlay, below, openHere);
  if (overlay !== DISCARD) checkOther(overlay, below);
  refuseSnapshot(below);
  return { ...image, overlay: DISCARD };
}

function checkOther(overlay: string, { path }: ImageConfig): void {
  if (overlay !== path) return;
  const message = `${overlay}: is the image itself; name another file as its overlay`;
  throw new SluiceError(message, 'EINVAL', EXIT_USAGE);
}

/** Opens an image for a look at its layers. */
type Open = (path: string, options: ChainOptions) => Pick<OpenChain, 'layers' | 'close'>;

/** @throws SluiceError exit code 3 for an overlay of another image */
function overlayThere(overlay: string, below: ImageConfig, open: Open): ImageConfig {
  checkOther(overlay, below);
  const over = overlaid(overlay, below, open);
  checkOverlay(over, below, open);
  return over;
}

/**
 * The overlay as the image of the mount. Formats of the command line count from the image that it
 * names, one layer below; and that image is a file that the command line names.
 */
function overlaid(overlay: string, image: ImageConfig, open: Open): ImageConfig {
  const { named } = image;
  const format = openTop(image.path, image, open).format;
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
function openTop(path: string, options: ChainOptions, open: Open): OpenLayer {
  const chain = open(path, options);
  chain.close();
  return chain.layers[0]!;
}

function makeOverlay(overlay: string, image: ImageConfig, isThere = false): void {
  refuseSnapshot(image);
  const { path } = image;
  const chain = openChain(path, image);
  try {
    const { file, format, image: base } = chain.layers[0]!;
    const { name, qemuName = name } = formatNamed(format);
    const { size } = base;
    overlayFormat().create(overlay, { path, format: qemuName, size, mode: file.mode }, isThere);
  } finally {
    chain.close();
  }
}

function refuseSnapshot({ path, snapshot }: ImageConfig): void {
  if (snapshot === null) return;
  throw new SluiceError(`${path}: a snapshot cannot have an overlay`, 'EINVAL', EXIT_USAGE);
}

/** A file without a name that takes the writes to an image. */
export interface TemporaryOverlay {
  /** The overlay as the image of the mount, by a path that leads to it until `close`. */
  image: ImageConfig;
  close(): void;
}

/**
 * Makes an overlay that no folder has, so that it is gone with its last descriptor, also when the process is
 * killed. An image that is held has one, which is taken.
 *
 * @throws SluiceError exit code 1 naming the folder, if there can be no such file
 */
export function makeTemporary({ overlay: _, ...below }: ImageConfig): TemporaryOverlay {
  // That of the daemon before: its first file.
  const [hold] = below.held ?? [];
  if (hold !== undefined) return { image: overlaid(hold.path, below, openChain), close: () => {} };
  const folder = process.env.TMPDIR || TEMPORARY_FILES;
  const descriptor = openNameless(folder);
  const path = `/proc/self/fd/${descriptor}`;
  const close = () => closeSync(descriptor);
  try {
    makeOverlay(path, below, true);
    return { image: overlaid(path, below, openChain), close };
  } catch (error) {
    close();
    if (!(error instanceof SluiceError) || !error.message.startsWith(`${path}: `)) throw error;
    const message = `${folder}: the temporary overlay of ${below.path} ${error.message.slice(path.length + 2)}`;
    throw new SluiceError(message, error.errno, error.exitCode, error);
  }
}

function openNameless(folder: string): number {
  try {
    return openSync(folder, constants.O_RDWR | O_TMPFILE, 0o600);
  } catch (error) {
    const { code = 'EIO' } = error as NodeJS.ErrnoException;
    if (code !== 'EOPNOTSUPP' && code !== 'EISDIR') throw notThere(folder, code, error);
  }
  // A file system that has no files without names: it has one for a moment.
  const path = join(folder, `sluice-${randomUUID()}`);
  try {
    return openSync(path, 'wx+', 0o600);
  } catch (error) {
    throw notThere(folder, (error as NodeJS.ErrnoException).code ?? 'EIO', error);
  } finally {
    rmSync(path, { force: true });
  }
}

function notThere(folder: string, code: string, cause: unknown): SluiceError {
  const why = WHY_NOT[code] ?? `it cannot be made there (${code})`;
  const what = `no place for a temporary overlay: ${why}; TMPDIR names another folder`;
  return new SluiceError(`${folder}: ${what}`, code, EXIT_FAILED, cause);
}

const WHY_NOT: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such folder',
  ENOTDIR: 'it is no folder',
  EACCES: 'no permission to write there',
  EROFS: 'it is on a read-only file system',
  ENOSPC: 'no space is left there',
};

/** Writes that were meant for one image must not appear over another, or over another reading of it. */
function checkOverlay(overlay: ImageConfig, image: ImageConfig, open: Open): void {
  const chain = open(overlay.path, overlay);
  chain.close();
  const base = openTop(image.path, image, open);
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
