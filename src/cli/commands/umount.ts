import type { ArgumentsCamelCase, Argv } from 'yargs';
import { endMount } from '../../daemon/end-mount.js';
import { findMountpoint } from '../find-mountpoint.js';
import { note, progress } from '../terminal.js';

export const command = 'umount <mountpoint>';
export const synopsis = 'umount MOUNTPOINT';
export const describe = 'flush, unmount, wait for the end';

export function builder(yargs: Argv): Argv {
  return yargs
    .usage('sluice umount MOUNTPOINT [--force]\n\nUnmount and wait until everything is on disk.')
    .positional('mountpoint', { type: 'string', describe: 'where sluice is mounted' })
    .option('force', {
      type: 'boolean',
      describe: 'end the daemon although files are open; waiting requests go on without limits',
    })
    .example('sluice umount /mnt/s', 'unmount')
    .example('sluice umount --force /mnt/s', 'unmount although something has a file open');
}

export async function handler(args: ArgumentsCamelCase): Promise<void> {
  const mountpoint = await findMountpoint(String(args.mountpoint), process.cwd());
  const waiting = progress(`sluice: umount: ${mountpoint}: waiting for the daemon to finish`);
  try {
    const ended = await endMount(mountpoint, args.force === true);
    if (ended === 'was-dead') {
      note(`sluice: umount: ${mountpoint}: its daemon was gone; the dead mount has been removed`);
    } else if (ended === 'unwatched') {
      note(
        `sluice: umount: ${mountpoint}: unmounted; its daemon is unknown and was not waited for`,
      );
    }
  } finally {
    waiting.end();
  }
}
