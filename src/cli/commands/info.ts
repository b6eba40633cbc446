import type { ArgumentsCamelCase, Argv } from 'yargs';
import { type Content, sumContent } from '../../image/content.js';
import { describeImage } from '../../image/describe.js';
import { mapImage } from '../../image/map-image.js';
import { type ChainOptions, openChain } from '../../image/open-chain.js';
import { SluiceError } from '../../util/errors.js';
import { declareImageCommand, parseImageCommand } from '../image-commands.js';
import { formatInfo } from '../info-report.js';

export const command = 'info <image>';
export const synopsis = 'info IMAGE [--json]';
export const describe = 'format, sizes and problems of an image';

export function builder(yargs: Argv): Argv {
  return declareImageCommand(
    yargs,
    'sluice info IMAGE [--json]\n\nSay what an image is, without mounting it.',
  )
    .example('sluice info disk.img', 'for people')
    .example('sluice info /dev/vda --json', 'for programs');
}

export async function handler(args: ArgumentsCamelCase): Promise<void> {
  const { path, options } = parseImageCommand(args);
  const described = await describeImage(path, options);
  const content = described.chain === null ? null : await countContent(path, options);
  const info = { ...described, content };
  const text = args.json === true ? `${JSON.stringify(info, null, 2)}\n` : formatInfo(info);
  process.stdout.write(text);
}

async function countContent(path: string, options: ChainOptions): Promise<Content | null> {
  const { lseekNow } = await import('../../sys/libc.js');
  const chain = openChain(path, options);
  try {
    return sumContent(mapImage(chain, lseekNow));
  } catch (error) {
    // What is broken below is found out when it is read; the rest can be said.
    if (error instanceof SluiceError) return null;
    throw error;
  } finally {
    chain.close();
  }
}
