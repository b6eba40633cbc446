import type { ArgumentsCamelCase, Argv } from 'yargs';
import type { NamedFiles } from '../image/named-files.js';
import type { ChainOptions } from '../image/open-chain.js';
import { parseFormats } from './format-option.js';
import { many, oneFlag, oneText } from './option-values.js';
import { absolutePath, workingDirectory } from './working-directory.js';

/** Options that say how to look at an image: the same for each command that does. */
export const IMAGE_OPTIONS = {
  format: {
    type: 'string',
    requiresArg: true,
    describe: 'FORMAT[,FORMAT...]: auto, raw or qcow2, then those of backing files',
  },
  snapshot: { type: 'string', requiresArg: true, describe: 'ID|NAME: an internal snapshot' },
  untrusted: {
    type: 'boolean',
    describe: 'refuse every file that an image names, but for those of the command line',
  },
  'data-file': {
    type: 'string',
    requiresArg: true,
    describe: 'PATH: may be a data file, outside the folder of its image too (repeatable)',
  },
  'backing-file': {
    type: 'string',
    requiresArg: true,
    describe: 'PATH: may be a backing file, with --untrusted too (repeatable)',
  },
} as const;

/** Declares a command that looks at one image. */
export function declareImageCommand(yargs: Argv, usage: string): Argv {
  return yargs
    .usage(usage)
    .positional('image', { type: 'string', describe: 'a file or a block device' })
    .option('json', { type: 'boolean', describe: 'print JSON' })
    .options(IMAGE_OPTIONS);
}

/** Arguments that say which files an image may name. */
export interface NamedFileArguments {
  dataFile?: string | string[] | undefined;
  backingFile?: string | string[] | undefined;
  untrusted?: boolean | boolean[] | undefined;
}

/** @param directory absolute directory that relative paths start from */
export function parseNamedFiles(args: NamedFileArguments, directory: string): NamedFiles {
  return {
    dataFiles: many(args.dataFile).map((path) => absolutePath('--data-file', path, directory)),
    backingFiles: many(args.backingFile).map((path) =>
      absolutePath('--backing-file', path, directory),
    ),
    untrusted: oneFlag('--untrusted', args.untrusted, false),
  };
}

/** Path of the image, absolute, and how to open it. */
export function parseImageCommand(args: ArgumentsCamelCase): {
  path: string;
  options: ChainOptions;
} {
  const snapshot = oneText('--snapshot', args.snapshot as string | undefined, '');
  return {
    path: absolutePath('the image', String(args.image), workingDirectory()),
    options: {
      ...parseFormats(args.format as string | undefined),
      snapshot: snapshot === '' ? null : snapshot,
      named: parseNamedFiles(args as NamedFileArguments, workingDirectory()),
    },
  };
}
