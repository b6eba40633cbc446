import type { MountStatus } from '../server/status.js';
import { EXIT_DAEMON, EXIT_FAILED, EXIT_MOUNT, SluiceError } from '../util/errors.js';

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
