import type { NamedFiles } from '../image/named-files.js';
import type { ChainOptions } from '../image/open-chain.js';
import type { Arguments } from './declaration.js';
import { describeFormats, parseFormats } from './format-option.js';
import { many, oneFlag, oneText } from './option-values.js';
import { absolutePath, workingDirectory } from './working-directory.js';

/** Options that say how to look at an image: the same for each command that does. */
export const IMAGE_OPTIONS = {
  format: {
    type: 'string',
    describe: describeFormats(),
  },
  snapshot: { type: 'string', describe: 'ID|NAME: an internal snapshot' },
  untrusted: {
    type: 'boolean',
    describe: 'refuse every file that an image names, but for those of the command line',
  },
  'data-file': {
    type: 'string',
    describe: 'PATH: may be a data file, outside the folder of its image too (repeatable)',
  },
  'backing-file': {
    type: 'string',
    describe: 'PATH: may be a backing file, with --untrusted too (repeatable)',
  },
} as const;

export const JSON_OPTION = { json: { type: 'boolean', describe: 'print JSON' } } as const;

/** The operand of a command that looks at one image. */
export const IMAGE_OPERAND = { image: 'a file or a block device' };

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
export function parseImageCommand(args: Arguments): {
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
