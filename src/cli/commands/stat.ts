import type { ArgumentsCamelCase, Argv } from 'yargs';
import { readStatus } from '../../daemon/status.js';
import { findMountpoint } from '../find-mountpoint.js';
import { type GroupStat, parseGroups, STAT_FILES } from '../io-stat.js';
import { formatStat } from '../stat-report.js';
import { print } from '../terminal.js';
import { groupPath, unavailable, unknownGroup } from '../unavailable.js';
import { workingDirectory } from '../working-directory.js';

export const command = 'stat <mountpoint> [group]';
export const synopsis = 'stat MOUNTPOINT [GROUP] [--json]';
export const describe = 'figures of groups and members';

export function builder(yargs: Argv): Argv {
  return yargs
    .usage('sluice stat MOUNTPOINT [GROUP] [--json]\n\nShow what went through a mount.')
    .positional('mountpoint', { type: 'string', describe: 'where sluice is mounted' })
    .positional('group', { type: 'string', describe: 'one group only; / is the root group' })
    .option('json', { type: 'boolean', describe: 'print JSON' })
    .example('sluice stat /mnt/s', 'all groups')
    .example('sluice stat /mnt/s slow --json', 'one group, for programs');
}

/** The group of that path, written with or without slashes around it. */
function selectGroups(groups: GroupStat[], asked: string | undefined): GroupStat[] {
  if (asked === undefined) return groups;
  const path = groupPath(asked);
  const found = groups.find((group) => group.path === path);
  if (found !== undefined) return [found];
  const known = groups.map((group) => group.path);
  throw unknownGroup(asked, known, '');
}

export async function handler(args: ArgumentsCamelCase): Promise<void> {
  const mountpoint = await findMountpoint(String(args.mountpoint), workingDirectory());
  const status = await readStatus(mountpoint, STAT_FILES);
  if (status.kind !== 'alive') throw unavailable(mountpoint, status.kind);
  const asked = args.group === undefined ? undefined : String(args.group);
  const groups = selectGroups(parseGroups(status.groups), asked);
  const json = { mountpoint, daemon: status.daemon.fields, groups };
  print(args.json === true ? `${JSON.stringify(json, null, 2)}\n` : formatStat(groups));
}
