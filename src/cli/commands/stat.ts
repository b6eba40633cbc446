import type { ArgumentsCamelCase, Argv } from 'yargs';
import { type MountStatus, readStatus } from '../../daemon/status.js';
import {
  EXIT_DAEMON,
  EXIT_FAILED,
  EXIT_MOUNT,
  EXIT_USAGE,
  SluiceError,
} from '../../util/errors.js';
import { findMountpoint } from '../find-mountpoint.js';
import { type GroupStat, parseGroups } from '../io-stat.js';
import { formatStat } from '../stat-report.js';

export const command = 'stat <mountpoint> [group]';
export const synopsis = 'stat MOUNTPOINT [GROUP] [--json]';
export const describe = 'figures of each group and each image';

export function builder(yargs: Argv): Argv {
  return yargs
    .usage('sluice stat MOUNTPOINT [GROUP] [--json]\n\nShow what went through a mount.')
    .positional('mountpoint', { type: 'string', describe: 'where sluice is mounted' })
    .positional('group', { type: 'string', describe: 'one group only; / is the root group' })
    .option('json', { type: 'boolean', describe: 'print JSON' })
    .example('sluice stat /mnt/s', 'all groups')
    .example('sluice stat /mnt/s slow --json', 'one group, for programs');
}

function unavailable(mountpoint: string, kind: MountStatus['kind']): SluiceError {
  if (kind === 'dead') {
    const what = 'its daemon is gone; remove the mount with sluice umount';
    return new SluiceError(`${mountpoint}: ${what}`, 'ENOTCONN', EXIT_DAEMON);
  }
  if (kind === 'hung') {
    const what = 'its daemon does not answer';
    return new SluiceError(`${mountpoint}: ${what}`, 'ETIMEDOUT', EXIT_FAILED);
  }
  if (kind === 'forbidden') {
    const what = 'mounted by another user without --allow-other';
    return new SluiceError(`${mountpoint}: ${what}`, 'EACCES', EXIT_MOUNT);
  }
  return new SluiceError(`${mountpoint}: it shows no groups`, 'ENOENT', EXIT_MOUNT);
}

/** The group of that path, written with or without slashes around it. */
function selectGroups(groups: GroupStat[], asked: string | undefined): GroupStat[] {
  if (asked === undefined) return groups;
  const path = asked.replace(/^\/+|\/+$/g, '');
  const found = groups.find((group) => group.path === path);
  if (found !== undefined) return [found];
  const known = groups.map((group) => group.path || '/').join(', ');
  throw new SluiceError(`there is no group "${asked}"; groups: ${known}`, 'ENOENT', EXIT_USAGE);
}

export async function handler(args: ArgumentsCamelCase): Promise<void> {
  const mountpoint = await findMountpoint(String(args.mountpoint), process.cwd());
  const status = await readStatus(mountpoint, ['io.stat', 'io.max']);
  if (status.kind !== 'alive') throw unavailable(mountpoint, status.kind);
  const asked = args.group === undefined ? undefined : String(args.group);
  const groups = selectGroups(parseGroups(status.groups), asked);
  const json = { mountpoint, daemon: status.daemon.fields, groups };
  process.stdout.write(
    args.json === true ? `${JSON.stringify(json, null, 2)}\n` : formatStat(groups),
  );
}
