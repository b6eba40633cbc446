import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { describeImage } from '../image/describe.js';
import { openChain } from '../image/open-chain.js';
import { FileSource, identityOf } from '../image/source.js';
import type { ImageConfig, MountConfig } from '../server/config.js';
import { describeUse } from '../server/device-use.js';
import { EXIT_FAILED, EXIT_IMAGE, EXIT_USAGE, SluiceError } from '../util/errors.js';
import { note } from './terminal.js';

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

async function checkWritable(path: string): Promise<void> {
  try {
    await access(path, constants.W_OK);
  } catch (error) {
    const { code = 'EACCES' } = error as NodeJS.ErrnoException;
    const why = code === 'EROFS' ? 'it is on a read-only file system' : 'no permission to write it';
    throw new SluiceError(`${path}: ${why}; use --read-only`, code, EXIT_FAILED, error);
  }
}

/** Whoever reads what somebody else writes should know that. */
function noteUse(path: string): void {
  const source = new FileSource(path);
  const use = describeUse(source);
  source.close();
  if (use !== null) note(`sluice: mount: ${path}: ${use}: what is read may change at any time`);
}

/**
 * Looks at every image before a daemon is started. Opening them is the daemon's business.
 *
 * @throws SluiceError exit code 1 for what cannot be reached, 2 for one image given twice, 3 for
 *   what is no image
 */
export async function checkImages(
  config: Pick<MountConfig, 'images' | 'readOnly' | 'growable'>,
): Promise<void> {
  const seen = new Map<string, string>();
  for (const image of config.images) {
    const { path } = image;
    await checkContent(image, config.growable && !config.readOnly);
    if (config.readOnly) noteUse(path);
    else await checkWritable(path);
    const key = identityOf(path);
    const other = seen.get(key);
    if (other !== undefined) {
      const what = other === path ? 'given twice' : `the same image as ${other}`;
      const message = `${path}: ${what}; an image can be mounted once`;
      throw new SluiceError(message, 'EBUSY', EXIT_USAGE);
    }
    seen.set(key, path);
  }
}
