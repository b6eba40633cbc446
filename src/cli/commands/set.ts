import { namedGroup, unknownGroup } from '../../control/group-name.js';
import { parseWords } from '../../control/text.js';
import { changeGroup, type GroupChange } from '../../server/change-group.js';
import type { ControlFailure } from '../../server/control-writer.js';
import { readStatus, unavailable } from '../../server/status.js';
import { EXIT_FAILED, EXIT_MOUNT, EXIT_USAGE, SluiceError } from '../../util/errors.js';
import type { Arguments, Declaration } from '../declaration.js';
import { findMountpoint } from '../find-mountpoint.js';
import { workingDirectory } from '../working-directory.js';

export const declaration: Declaration = {
  usage:
    'sluice set MOUNTPOINT GROUP KEY=VALUE... [--create]\n       sluice set MOUNTPOINT GROUP --remove\n\nChange a group of a mount while it is used.',
  operands: {
    mountpoint: 'where sluice is mounted',
    group: 'path of the group; / is the root group',
    settings:
      'rbps, wbps, bps, riops, wiops, iops, iops_size, per_gb.*, burst.*, weight, min.*, latency, member',
  },
  options: {
    create: {
      type: 'boolean',
      describe: 'make the group, and those above it, if there is none',
    },
    remove: { type: 'boolean', describe: 'remove the group, which must be empty' },
  },
  examples: [
    ['sluice set /mnt/s gold weight=80 bps=100M', 'a weight and a limit'],
    ['sluice set /mnt/s gold member=web member=uid:1000', 'move members'],
    ['sluice set /mnt/s / depth=32', 'the window of the whole mount'],
    ['sluice set /mnt/s old --remove', 'a group that is not needed any more'],
  ],
};

/** The error of a failed change, in the daemon's words if it has some. */
function failed(asked: string, { file, errno, reason }: ControlFailure): SluiceError {
  const what = file === '' ? asked : `${asked}: ${file}`;
  if (reason !== '') {
    const usage = ['EINVAL', 'ERANGE', 'ENOENT', 'ENAMETOOLONG'].includes(errno);
    return new SluiceError(`${what}: ${reason}`, errno, usage ? EXIT_USAGE : EXIT_FAILED);
  }
  const why: Record<string, string> = {
    EACCES: 'no permission; only the user who mounted may change it',
    EPERM: 'no permission; only the user who mounted may change it',
    ENOENT: 'the group above it does not exist; make that first',
    ENODEV: 'the group has been removed meanwhile',
  };
  const isPermission = errno === 'EACCES' || errno === 'EPERM';
  const exitCode = isPermission ? EXIT_MOUNT : EXIT_FAILED;
  return new SluiceError(`${what}: ${why[errno] ?? errno}`, errno, exitCode);
}

/** The order in a command line. Throws EINVAL and others for words that do not go together. */
export function orderOf(args: Arguments): Omit<GroupChange, 'mountpoint'> {
  const group = namedGroup(String(args.group));
  const words = ((args.settings as unknown[] | undefined) ?? []).map(String);
  if (args.remove === true) {
    if (args.create === true || words.length > 0) {
      throw new SluiceError('--remove goes with nothing else', 'EINVAL', EXIT_USAGE);
    }
    if (group === '') {
      throw new SluiceError('/: the root group cannot be removed', 'EBUSY', EXIT_USAGE);
    }
    return { group, change: 'remove', changes: {} };
  }
  const create = args.create === true && group !== '';
  const changes = create && words.length === 0 ? {} : parseWords(words, group === '');
  return { group, change: create ? 'create' : null, changes };
}

export async function handler(args: Arguments): Promise<void> {
  const asked = String(args.group);
  const order = orderOf(args);
  const mountpoint = findMountpoint(String(args.mountpoint), workingDirectory());
  const failure = await changeGroup({ mountpoint, ...order });
  if (failure !== null) throw await explained(asked, order, mountpoint, failure);
}

/** The error of a failed change. What the daemon has not told is asked only now: it takes a process. */
async function explained(
  asked: string,
  order: Omit<GroupChange, 'mountpoint'>,
  mountpoint: string,
  failure: ControlFailure,
): Promise<SluiceError> {
  if (failure.reason !== '') return failed(asked, failure);
  if (failure.errno === 'ETIMEDOUT') return unavailable(mountpoint, 'hung');
  const status = await readStatus(mountpoint, [], order.group);
  if (status.kind !== 'alive') return unavailable(mountpoint, status.kind);
  if (order.change !== 'create' && status.groups.length === 0) {
    return unknownGroup(asked, status.known, order.change === null ? '; --create makes it' : '');
  }
  return failed(asked, failure);
}
