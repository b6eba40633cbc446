import { carryOut } from '../../server/order-images.js';
import { readSnapshot, unavailable } from '../../server/status.js';
import { naming } from '../../util/errors.js';
import { formatSize, parseSize } from '../../util/units.js';
import type { Arguments, Declaration } from '../declaration.js';
import { findMountpoint } from '../find-mountpoint.js';
import { print } from '../terminal.js';
import { workingDirectory } from '../working-directory.js';

export const declaration: Declaration = {
  usage:
    'sluice resize MOUNTPOINT NAME [SIZE]\n\nMake an image longer while it is used. Without SIZE: notice that its file or device has grown.',
  operands: {
    mountpoint: 'where sluice is mounted',
    name: 'the image, without .raw',
    size: 'its new size, such as 20G',
  },
  options: {},
  examples: [
    ['sluice resize /mnt/s web 20G', 'web.raw has 20 GiB then'],
    ['sluice resize /mnt/s lv', 'after lvextend'],
  ],
};

export async function handler(args: Arguments): Promise<void> {
  const mountpoint = findMountpoint(String(args.mountpoint), workingDirectory());
  const name = String(args.name);
  const { size: text } = args;
  const size = text === undefined ? null : naming('SIZE', () => parseSize(String(text)));
  await carryOut(mountpoint, { kind: 'resize', name, size });
  const after = await readSnapshot(mountpoint, '');
  if (after.kind !== 'alive') throw unavailable(mountpoint, after.kind);
  const image = after.images.find((one) => one.name === name);
  if (image !== undefined) print(`${name}: ${image.size} bytes, ${formatSize(image.size)}\n`);
}
