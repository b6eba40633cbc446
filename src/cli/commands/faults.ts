import { parseFaults } from '../../control/faults.js';
import { carryOut } from '../../server/order-images.js';
import { readSnapshot, unavailable } from '../../server/status.js';
import { refuse } from '../../util/errors.js';
import type { Arguments, Declaration } from '../declaration.js';
import { findMountpoint } from '../find-mountpoint.js';
import { formatFaulty } from '../stat-report.js';
import { print } from '../terminal.js';
import { workingDirectory } from '../working-directory.js';

export const declaration: Declaration = {
  usage:
    'sluice faults MOUNTPOINT [NAME [KEY=VALUE...]]\n\nHave requests of an image fail or be late, as on a broken or slow disk; without words: show which do.',
  operands: {
    mountpoint: 'where sluice is mounted',
    name: 'the image, without .raw',
    faults: 'its faults from now on, in place of those before; off: none',
  },
  options: {},
  examples: [
    ['sluice faults /mnt/s db read.error=1% write.delay=20ms', 'a disk that wears out'],
    ['sluice faults /mnt/s db flush.error=100% flush.errno=ENOSPC', 'fsync(2) fails'],
    ['sluice faults /mnt/s db off', 'a sound disk again'],
    ['sluice faults /mnt/s', 'the faults of all images, and how often they struck'],
  ],
};

export async function handler(args: Arguments): Promise<void> {
  const mountpoint = findMountpoint(String(args.mountpoint), workingDirectory());
  const words = args.faults as readonly string[];
  const { name } = args;
  if (words.length === 0) {
    await show(mountpoint, name === undefined ? null : String(name));
    return;
  }
  const faults = words.join(',');
  parseFaults(faults);
  await carryOut(mountpoint, { kind: 'faults', name: String(name), faults });
}

async function show(mountpoint: string, name: string | null): Promise<void> {
  const status = await readSnapshot(mountpoint, '');
  if (status.kind !== 'alive') throw unavailable(mountpoint, status.kind);
  const { images } = status;
  const shown = images.filter((image) => name === null || image.name === name);
  if (name !== null && shown.length === 0) {
    const names = images.map((image) => image.name).join(', ') || 'none';
    throw refuse(`${name}: there is no such image; images: ${names}`, 'ENOENT');
  }
  print(shown.map(formatFaulty).join(''));
}
