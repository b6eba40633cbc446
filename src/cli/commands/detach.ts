import { carryOut } from '../../server/order-images.js';
import { SluiceError, withRemedy } from '../../util/errors.js';
import type { Arguments, Declaration } from '../declaration.js';
import { findMountpoint } from '../find-mountpoint.js';
import { progress } from '../terminal.js';
import { workingDirectory } from '../working-directory.js';

export const declaration: Declaration = {
  usage:
    'sluice detach MOUNTPOINT NAME [--force]\n\nTake an image away from a mount, and wait until it is on disk.',
  operands: { mountpoint: 'where sluice is mounted', name: 'the image, without .raw' },
  options: {
    force: {
      type: 'boolean',
      describe: 'although it is open; waiting requests go on without limits',
    },
  },
  examples: [
    ['sluice detach /mnt/s web', 'flush web.raw and take it away'],
    ['sluice detach /mnt/s web --force', 'although something has it open'],
  ],
};

export async function handler(args: Arguments): Promise<void> {
  const mountpoint = findMountpoint(String(args.mountpoint), workingDirectory());
  const name = String(args.name);
  const waiting = progress(`sluice: detach: ${name}: waiting until it is on disk`);
  const order = { kind: 'detach', name, force: args.force === true } as const;
  try {
    await carryOut(mountpoint, order);
  } catch (error) {
    const isOpen = error instanceof SluiceError && error.errno === 'EBUSY' && !order.force;
    throw isOpen ? withRemedy(error, 'close it, or use --force') : error;
  } finally {
    waiting.end();
  }
}
