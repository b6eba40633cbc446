import { endDaemon, endMount } from '../../server/end-mount.js';
import type { Arguments, Declaration } from '../declaration.js';
import { findMountpoint } from '../find-mountpoint.js';
import { note, progress } from '../terminal.js';
import { workingDirectory } from '../working-directory.js';

export const declaration: Declaration = {
  usage: 'sluice umount MOUNTPOINT [--force]\n\nUnmount and wait until everything is on disk.',
  operands: { mountpoint: 'where sluice is mounted; with --force also the pid of its daemon' },
  options: {
    force: {
      type: 'boolean',
      describe: 'end the daemon although files are open; waiting requests go on without limits',
    },
  },
  examples: [
    ['sluice umount /mnt/s', 'unmount'],
    ['sluice umount --force /mnt/s', 'unmount although something has a file open'],
    ['sluice umount --force 4242', 'end a daemon whose mount point is gone'],
  ],
};

export async function handler(args: Arguments): Promise<void> {
  const word = String(args.mountpoint);
  if (args.force === true && /^[1-9][0-9]*$/.test(word)) {
    await endDaemon(Number(word));
    return;
  }
  const mountpoint = findMountpoint(word, workingDirectory());
  // This command may have been started from within the mount, and must not keep it busy.
  process.chdir('/');
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
