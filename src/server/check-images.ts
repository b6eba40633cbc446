import { emptyProblem } from '../image/describe.js';
import { checkAllUsed } from '../image/named-files.js';
import { type OpenChain, type OpenLayer, openChain } from '../image/open-chain.js';
import { passthroughProblem } from '../image/passthrough.js';
import { EXIT_IMAGE, EXIT_USAGE, SluiceError } from '../util/errors.js';
import { DISCARD, type ImageConfig, type MountConfig } from './config.js';

/** The part of a mount's configuration that its images are looked at for. */
type Checked = Pick<MountConfig, 'images' | 'readOnly' | 'growable' | 'passthrough' | 'logFile'>;

/** An image that is open; see `HostFile.identity`. */
export interface MountedImage {
  identity: string;
  name: string;
  path: string;
}

/**
 * Looks at every image before it is opened.
 *
 * @param mounted Images that the mount has already.
 * @param warn Called with sentences about images that somebody else writes.
 * @throws SluiceError exit code 1 for a file that cannot be reached, 2 for one image given twice, 3
 *   for a file that is no image
 */
export function checkImages(
  config: Checked,
  warn: (text: string) => void,
  mounted: readonly MountedImage[] = [],
): void {
  const seen = new Map(mounted.map(({ identity, path }) => [identity, path]));
  const chains = new Map<ImageConfig['named'], OpenLayer[][]>();
  for (const image of config.images) {
    const { path, named } = image;
    // What is written goes elsewhere, and so two may be over one image.
    const isBelow = image.overlay === DISCARD;
    const own = { ...config, ...image.own, ...(isBelow && { readOnly: true }) };
    const { layers } = checkImage(image, own, warn);
    chains.set(named, [...(chains.get(named) ?? []), layers]);
    if (isBelow) continue;
    const key = layers[0]!.file.identity;
    const isMounted = mounted.some(({ identity }) => identity === key);
    checkTwice(path, seen.get(key), isMounted ? 'mounted here already' : 'given twice');
    seen.set(key, path);
  }
  // Files of the command line may be those of any image on it.
  for (const [named, ofThese] of chains) checkAllUsed(named, ofThese);
}

/**
 * @param other Path of another image with the same file; missing: there is none.
 * @param twice What is wrong if that path is the same.
 * @throws SluiceError EBUSY, exit code 2
 */
export function checkTwice(path: string, other: string | undefined, twice: string): void {
  if (other === undefined) return;
  const what = other === path ? twice : `the same image as ${other}`;
  const message = `${path}: ${what}; an image can be mounted once`;
  throw new SluiceError(message, 'EBUSY', EXIT_USAGE);
}

/** @throws SluiceError exit code 3 for an image whose file the kernel cannot read and write by itself */
export function checkPassable({ file, format }: OpenLayer): void {
  const problem = passthroughProblem(file, format);
  if (problem === null) return;
  const message = `${file.path}: cannot be passed through: ${problem}`;
  throw new SluiceError(message, 'EOPNOTSUPP', EXIT_IMAGE);
}

/** @returns Its layers, closed. */
function checkImage(
  image: ImageConfig,
  { readOnly, growable, passthrough, logFile }: Checked,
  warn: (text: string) => void,
): OpenChain {
  const { path } = image;
  const chain = openChain(path, image);
  try {
    const [top] = chain.layers as [OpenLayer];
    const { file } = top;
    if (passthrough.includes(image.name)) checkPassable(top);
    checkEmpty(path, top, growable && !readOnly);
    if (!readOnly) file.checkWritable();
    const { writingWarning } = top.image;
    if (!readOnly && writingWarning) warn(`${path}: ${writingWarning}`);
    if (logFile !== null) refuseAsLog(logFile, chain);
    warnReader(chain, readOnly, warn);
    return chain;
  } finally {
    chain.close();
  }
}

/**
 * @param canGrow What is written makes a file larger.
 * @throws SluiceError EINVAL, exit code 3, for an image without a byte
 */
export function checkEmpty(path: string, { file }: OpenLayer, canGrow: boolean): void {
  const [problem] = emptyProblem(file);
  if (problem === undefined || (canGrow && !file.blockDevice)) return;
  throw new SluiceError(`${path}: ${problem}`, 'EINVAL', EXIT_IMAGE);
}

/** Lines of a log would be written over, or behind, the data. */
export function refuseAsLog(logFile: string, { layers }: Pick<OpenChain, 'layers'>): void {
  for (const { file, image } of layers) {
    if (![file, ...image.dataFiles].some((one) => one.isAt(logFile))) continue;
    const message = `--log ${logFile}: ${file.path} has its data there; choose another file`;
    throw new SluiceError(message, 'EBUSY', EXIT_USAGE);
  }
}

/** A reader should know that somebody else writes a file that he reads. */
function warnReader(chain: OpenChain, readOnly: boolean, warn: (text: string) => void): void {
  for (const [depth, { file, image }] of chain.layers.entries()) {
    // The image is written itself, with its data files; that is refused elsewhere.
    if (depth === 0 && !readOnly) continue;
    for (const one of [file, ...image.dataFiles]) {
      const use = one.use();
      if (use !== null) warn(`${one.path}: ${use}: what is read may change at any time`);
    }
  }
}
