import type { ArgumentsCamelCase, Argv } from 'yargs';
import { endDaemon, endMount } from '../../server/end-mount.js';
import { findMountpoint } from '../find-mountpoint.js';
import { note, progress } from '../terminal.js';
import { workingDirectory } from '../working-directory.js';

export function builder(yargs: Argv): Argv {
  return yargs
    .usage('sluice umount MOUNTPOINT [--force]\n\nUnmount and wait until everything is on disk.')
    .positional('mountpoint', {
      type: 'string',
      describe: 'where sluice is mounted; with --force also the pid of its daemon',
    })
    .option('force', {
      type: 'boolean',
      describe: 'end the daemon although files are open; waiting requests go on without limits',
    })
    .example('sluice umount /mnt/s', 'unmount')
    .example('sluice umount --force /mnt/s', 'unmount although something has a file open')
    .example('sluice umount --force 4242', 'end a daemon whose mount point is gone');
}

export async function handler(args: ArgumentsCamelCase): Promise<void> {
  const word = String(args.mountpoint);
  if (args.force === true && /^[1-9][0-9]*$/.test(word)) {
    await endDaemon(Number(word));
    return;
  }
  const mountpoint = await findMountpoint(word, workingDirectory());
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
