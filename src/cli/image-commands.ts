import { resolve } from 'node:path';
import type { ArgumentsCamelCase, Argv } from 'yargs';
import type { ChainOptions } from '../image/open-chain.js';
import { parseFormats } from './format-option.js';
import { oneText } from './option-values.js';

/** Options that say how to look at an image: the same for each command that does. */
export const IMAGE_OPTIONS = {
  format: {
    type: 'string',
    requiresArg: true,
    describe: 'FORMAT[,FORMAT...]: auto, raw or qcow2, then those of backing files',
  },
  snapshot: { type: 'string', requiresArg: true, describe: 'ID|NAME: an internal snapshot' },
} as const;

/** Declares a command that looks at one image. */
export function declareImageCommand(yargs: Argv, usage: string): Argv {
  return yargs
    .usage(usage)
    .positional('image', { type: 'string', describe: 'a file or a block device' })
    .option('json', { type: 'boolean', describe: 'print JSON' })
    .options(IMAGE_OPTIONS);
}

/** Path of the image, absolute, and how to open it. */
export function parseImageCommand(args: ArgumentsCamelCase): {
  path: string;
  options: ChainOptions;
} {
  const snapshot = oneText('--snapshot', args.snapshot as string | undefined, '');
  return {
    path: resolve(String(args.image)),
    options: {
      ...parseFormats(args.format as string | undefined),
      snapshot: snapshot === '' ? null : snapshot,
    },
  };
}
