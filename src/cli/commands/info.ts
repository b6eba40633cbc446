import { resolve } from 'node:path';
import type { ArgumentsCamelCase, Argv } from 'yargs';
import { describeImage } from '../../image/describe.js';
import { formatInfo } from '../info-report.js';

export const command = 'info <image>';
export const synopsis = 'info IMAGE [--json]';
export const describe = 'format, sizes and problems of an image';

export function builder(yargs: Argv): Argv {
  return yargs
    .usage('sluice info IMAGE [--json]\n\nSay what an image is, without mounting it.')
    .positional('image', { type: 'string', describe: 'a file or a block device' })
    .option('json', { type: 'boolean', describe: 'print JSON' })
    .example('sluice info disk.img', 'for people')
    .example('sluice info /dev/vda --json', 'for programs');
}

export async function handler(args: ArgumentsCamelCase): Promise<void> {
  const info = await describeImage(resolve(String(args.image)), 'auto');
  const text = args.json === true ? `${JSON.stringify(info, null, 2)}\n` : formatInfo(info);
  process.stdout.write(text);
}
