import { stringify } from 'yaml';
import { askMount } from '../../server/api-client.js';
import type { SavedConfig } from '../../server/save-config.js';
import { EXIT_MOUNT, SluiceError } from '../../util/errors.js';
import type { Arguments, Declaration } from '../declaration.js';
import { findMountpoint } from '../find-mountpoint.js';
import { note, print } from '../terminal.js';
import { workingDirectory } from '../working-directory.js';

export const declaration: Declaration = {
  usage:
    'sluice save MOUNTPOINT\n\nPrint the running configuration of a mount, as a file for sluice mount --config.',
  operands: { mountpoint: 'where sluice is mounted' },
  options: {},
  examples: [['sluice save /mnt/s > vm.yaml', 'images, groups and options as they are now']],
};

export async function handler(args: Arguments): Promise<void> {
  const mountpoint = findMountpoint(String(args.mountpoint), workingDirectory());
  const saved = await askMount<SavedConfig>(mountpoint, { method: 'GET', path: '/v1/config' });
  if (saved === null) {
    const what = 'its socket is needed for that, and this user cannot reach it here';
    throw new SluiceError(`${mountpoint}: ${what}; see docs/api.md`, 'EACCES', EXIT_MOUNT);
  }
  print(stringify(saved.config));
  for (const sentence of saved.leftOut) note(`sluice: save: left out: ${sentence}`);
}
