import type { MountStatus } from '../server/status.js';
import { EXIT_DAEMON, EXIT_FAILED, EXIT_MOUNT, EXIT_USAGE, SluiceError } from '../util/errors.js';

/** The error for a mount whose groups cannot be read. */
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

/** A mount may have thousands of groups; the error names the first ones. */
const NAMED_GROUPS = 10;

/** The error for a group that the mount does not have. `known`: paths of its groups. */
export function unknownGroup(asked: string, known: readonly string[], hint: string): SluiceError {
  const list = known
    .slice(0, NAMED_GROUPS)
    .map((path) => path || '/')
    .join(', ');
  const more = known.length > NAMED_GROUPS ? ` and ${known.length - NAMED_GROUPS} more` : '';
  return new SluiceError(
    `there is no group "${asked}"; groups: ${list}${more}${hint}`,
    'ENOENT',
    EXIT_USAGE,
  );
}
