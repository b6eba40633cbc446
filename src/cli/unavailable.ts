import type { MountStatus } from '../daemon/status.js';
import { EXIT_DAEMON, EXIT_FAILED, EXIT_MOUNT, EXIT_USAGE, SluiceError } from '../util/errors.js';

/** Why the groups of a mount cannot be looked at. */
export function unavailable(
  mountpoint: string,
  kind: Exclude<MountStatus['kind'], 'alive'>,
): SluiceError {
  switch (kind) {
    case 'dead': {
      const what = 'its daemon is gone; remove the mount with sluice umount';
      return new SluiceError(`${mountpoint}: ${what}`, 'ENOTCONN', EXIT_DAEMON);
    }
    case 'hung': {
      const what = 'its daemon does not answer';
      return new SluiceError(`${mountpoint}: ${what}`, 'ETIMEDOUT', EXIT_FAILED);
    }
    case 'forbidden': {
      const what = 'mounted by another user without --allow-other';
      return new SluiceError(`${mountpoint}: ${what}`, 'EACCES', EXIT_MOUNT);
    }
    case 'foreign':
      return new SluiceError(`${mountpoint}: it shows no groups`, 'ENOENT', EXIT_MOUNT);
  }
}

/** Path of a group as it is named on the command line, with or without slashes around it. */
export function groupPath(asked: string): string {
  return asked.replace(/^\/+|\/+$/g, '');
}

/** A group that a mount does not have. `known`: paths of those that it has. */
export function unknownGroup(asked: string, known: readonly string[], hint: string): SluiceError {
  const list = known.map((path) => path || '/').join(', ');
  return new SluiceError(
    `there is no group "${asked}"; groups: ${list}${hint}`,
    'ENOENT',
    EXIT_USAGE,
  );
}
