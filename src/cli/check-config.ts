import { dirname } from 'node:path';
import type { MountConfig } from '../server/config.js';
import { type Looker, lookAtImages } from '../server/look-at-images.js';
import { SluiceError } from '../util/errors.js';
import { type ConfigAndText, readConfigText } from './config-file.js';
import { buildMountConfig } from './mount-config.js';
import { checkPassthrough } from './passthrough-option.js';

/** Where a file is mounted that does not say. */
const ANYWHERE = '/';

/**
 * Checks a configuration file, and the images that it names, as `sluice mount` does. Nothing is mounted or changed.
 *
 * @param path absolute
 * @param say Called with sentences about images that cannot be looked at here, which is no fault.
 * @throws SluiceError exit code 1 for a file that cannot be read, 2 for the first fault, with its line and column
 */
export async function checkConfig(path: string, say: (sentence: string) => void): Promise<void> {
  const read = readConfigText(path);
  const config = mountOf(read);
  const at: Looker['at'] = (place, run) => read.text.at(place, run);
  for (const name of config.passthrough) {
    at(['images', name, 'passthrough'], () => {
      // Who will mount is not known.
      checkPassthrough({ ...config, passthrough: [name] }, true);
    });
  }
  await lookAtImages(config, { at, say });
}

/** The mount that the file asks for by itself. Rules between options are of it. */
function mountOf({ config, text }: ConfigAndText): MountConfig {
  try {
    const paths = config.mountpoint === null ? [ANYWHERE] : [];
    return buildMountConfig({ paths }, dirname(config.file), config);
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error;
    const [, option = ''] = /^--([\w-]+)/.exec(error.message) ?? [];
    const place = option === '' ? ['options'] : ['options', option];
    return text.at(place, () => {
      throw error;
    });
  }
}
