import { carryOut } from '../../server/order-images.js';
import { refuse } from '../../util/errors.js';
import type { Arguments, Declaration } from '../declaration.js';
import { findMountpoint } from '../find-mountpoint.js';
import { note, progress } from '../terminal.js';
import { absolutePath, workingDirectory } from '../working-directory.js';

export const declaration: Declaration = {
  usage:
    'sluice reload MOUNTPOINT\nsluice reload --config FILE\n\nRead the configuration file of a mount again, and make what is different: groups and limits change, images come and go.',
  operands: { mountpoint: 'where sluice is mounted, with --config' },
  options: {
    config: {
      type: 'string',
      describe: 'FILE: reload the mount at the mount point that FILE names',
    },
  },
  examples: [
    ['sluice reload /mnt/s', 'after a change of the file'],
    ['sluice reload --config /etc/sluice/vm.yaml', 'the same, by the file'],
  ],
};

/** The mount point that a configuration file names. */
async function namedBy(config: string): Promise<string> {
  // Loaded only here: YAML and its schema take longer than all else of the command.
  const { readConfigFile } = await import('../config-file.js');
  const file = absolutePath('--config', config, workingDirectory());
  const { mountpoint } = readConfigFile(file);
  if (mountpoint === null) throw refuse(`${file}: names no mount point; give that instead`);
  return mountpoint;
}

export async function handler({ mountpoint: word, config }: Arguments): Promise<void> {
  if ((word === undefined) === (config === undefined)) {
    throw refuse('name the mount point, or --config FILE with its configuration');
  }
  const named = word === undefined ? await namedBy(String(config)) : String(word);
  const mountpoint = findMountpoint(named, workingDirectory());
  const waiting = progress(`sluice: reload: ${mountpoint}: waiting for the daemon`);
  try {
    const warnings = await carryOut(mountpoint, { kind: 'reload' });
    for (const warning of warnings) note(`sluice: reload: ${warning}`);
  } finally {
    waiting.end();
  }
}
