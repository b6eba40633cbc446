import { describeUse } from '../host/device-use.js';
import { HostFile } from '../host/host-file.js';
import { describeImage } from '../image/describe.js';
import { openChain } from '../image/open-chain.js';
import { EXIT_IMAGE, EXIT_USAGE, SluiceError } from '../util/errors.js';
import type { ImageConfig, MountConfig } from './config.js';

/** Refuses what is no image, what is empty, and formats that this version cannot mount. */
async function checkContent(image: ImageConfig, growable: boolean): Promise<void> {
  const info = await describeImage(image.path, image);
  // It throws what is wrong, with its exit code.
  if (info.format === 'qcow2' && info.virtualSize === null) openChain(image.path, image).close();
  const empty = info.virtualSize === 0;
  if (empty && growable && !info.blockDevice) return;
  const problem = info.problems[0];
  const canBeShown = info.virtualSize !== null && info.hostSize > 0;
  if (problem === undefined || canBeShown) return;
  const errno = empty ? 'EINVAL' : 'ENOTSUP';
  throw new SluiceError(`${image.path}: ${problem}`, errno, EXIT_IMAGE);
}

/** @returns What tells the image apart from others. */
function checkAccess(path: string, readOnly: boolean, warn: (text: string) => void): string {
  const file = new HostFile(path);
  try {
    if (!readOnly) file.checkWritable();
    // Whoever reads what somebody else writes should know that.
    const use = readOnly ? describeUse(file) : null;
    if (use !== null) warn(`${path}: ${use}: what is read may change at any time`);
    return file.identity;
  } finally {
    file.close();
  }
}

/**
 * Looks at every image before a daemon is started. Opening them is the daemon's business.
 *
 * @param warn Called with sentences about images that somebody else writes.
 * @throws SluiceError exit code 1 for what cannot be reached, 2 for one image given twice, 3 for
 *   what is no image
 */
export async function checkImages(
  config: Pick<MountConfig, 'images' | 'readOnly' | 'growable'>,
  warn: (text: string) => void,
): Promise<void> {
  const seen = new Map<string, string>();
  for (const image of config.images) {
    const { path } = image;
    await checkContent(image, config.growable && !config.readOnly);
    const key = checkAccess(path, config.readOnly, warn);
    const other = seen.get(key);
    if (other !== undefined) {
      const what = other === path ? 'given twice' : `the same image as ${other}`;
      const message = `${path}: ${what}; an image can be mounted once`;
      throw new SluiceError(message, 'EBUSY', EXIT_USAGE);
    }
    seen.set(key, path);
  }
}
