import type { MountStatus } from '../server/status.js';
import { EXIT_DAEMON, EXIT_FAILED, EXIT_MOUNT, refuse, SluiceError } from '../util/errors.js';

type Kind = Exclude<MountStatus['kind'], 'alive'>;

const REASONS: Readonly<Record<Kind, readonly [what: string, errno: string, exitCode: number]>> = {
  dead: ['its daemon is gone; remove the mount with sluice umount', 'ENOTCONN', EXIT_DAEMON],
  hung: ['its daemon does not answer', 'ETIMEDOUT', EXIT_FAILED],
  forbidden: ['mounted by another user without --allow-other', 'EACCES', EXIT_MOUNT],
  foreign: ['it shows no groups', 'ENOENT', EXIT_MOUNT],
};

/** The error for a mount whose groups cannot be read. */
export function unavailable(mountpoint: string, kind: Kind): SluiceError {
  const [what, errno, exitCode] = REASONS[kind];
  return new SluiceError(`${mountpoint}: ${what}`, errno, exitCode);
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
  return refuse(`there is no group "${asked}"; groups: ${list}${more}${hint}`, 'ENOENT');
}
