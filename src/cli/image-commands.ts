import type { NamedFiles } from '../image/named-files.js';
import type { ChainOptions } from '../image/open-chain.js';
import type { Arguments, Given } from './declaration.js';
import { describeFormats, formatWords, parseFormats } from './format-option.js';
import { absoluteImage, workingDirectory } from './working-directory.js';

/** Options that say how to look at an image: the same for each command that does. */
export const IMAGE_OPTIONS = {
  format: { type: 'string', describe: describeFormats(), words: formatWords() },
  snapshot: { type: 'string', describe: 'ID|NAME: an internal snapshot' },
  untrusted: {
    type: 'boolean',
    describe: 'refuse every file that an image names, but for those of the command line',
  },
  'data-file': {
    type: 'string',
    describe: 'PATH: may be a data file, outside the folder of its image too',
    repeatable: true,
  },
  'backing-file': {
    type: 'string',
    describe: 'PATH: may be a backing file, with --untrusted too',
    repeatable: true,
  },
} as const;

export const JSON_OPTION = { json: { type: 'boolean', describe: 'print JSON' } } as const;

/** The operand of a command that looks at one image. */
export const IMAGE_OPERAND = { image: 'a file, a block device, or the URI of an NBD export' };

/** Reads the options above. @param directory absolute directory that relative paths start from */
export function parseChainOptions(
  { snapshot, untrusted = false, format, ...args }: Given<typeof IMAGE_OPTIONS>,
  directory: string,
): ChainOptions & { named: NamedFiles } {
  const pathsOf = (option: 'data-file' | 'backing-file'): string[] =>
    (args[option] ?? []).map((path) => absoluteImage(`--${option}`, path, directory));
  const named = {
    dataFiles: pathsOf('data-file'),
    backingFiles: pathsOf('backing-file'),
    untrusted,
  };
  return { ...parseFormats(format), snapshot: snapshot ?? null, named };
}

/** Path of the image, absolute, and how to open it. */
export function parseImageCommand(args: Arguments): { path: string; options: ChainOptions } {
  return {
    path: absoluteImage('the image', String(args.image), workingDirectory()),
    options: parseChainOptions(args as Given<typeof IMAGE_OPTIONS>, workingDirectory()),
  };
}
