import { carryOut } from '../../server/order-images.js';
import type { Arguments, Declaration } from '../declaration.js';
import { findMountpoint } from '../find-mountpoint.js';
import { note, progress } from '../terminal.js';
import { workingDirectory } from '../working-directory.js';

export const declaration: Declaration = {
  usage:
    'sluice reload MOUNTPOINT\n\nRead the configuration file of a mount again, and make what is different: groups and limits change, images come and go.',
  operands: { mountpoint: 'where sluice is mounted, with --config' },
  options: {},
  examples: [['sluice reload /mnt/s', 'after a change of the file']],
};

export async function handler(args: Arguments): Promise<void> {
  const mountpoint = findMountpoint(String(args.mountpoint), workingDirectory());
  const waiting = progress(`sluice: reload: ${mountpoint}: waiting for the daemon`);
  try {
    const warnings = await carryOut(mountpoint, { kind: 'reload' });
    for (const warning of warnings) note(`sluice: reload: ${warning}`);
  } finally {
    waiting.end();
  }
}
