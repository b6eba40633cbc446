import { namedGroup } from '../../control/group-name.js';
import { readSnapshot } from '../../server/status.js';
import type { Arguments, Declaration } from '../declaration.js';
import { findMountpoint } from '../find-mountpoint.js';
import { groupJson } from '../stat-json.js';
import { formatStat } from '../stat-report.js';
import { print } from '../terminal.js';
import { unavailable, unknownGroup } from '../unavailable.js';
import { workingDirectory } from '../working-directory.js';

export const declaration: Declaration = {
  usage: 'sluice stat MOUNTPOINT [GROUP] [--json]\n\nShow what went through a mount.',
  operands: { mountpoint: 'where sluice is mounted', group: 'one group only; / is the root group' },
  options: { json: { type: 'boolean', describe: 'print JSON' } },
  examples: [
    ['sluice stat /mnt/s', 'all groups'],
    ['sluice stat /mnt/s slow --json', 'one group, for programs'],
  ],
};

export async function handler(args: Arguments): Promise<void> {
  const mountpoint = findMountpoint(String(args.mountpoint), workingDirectory());
  const asked = args.group === undefined ? null : String(args.group);
  const status = await readSnapshot(mountpoint, asked === null ? null : namedGroup(asked));
  if (status.kind !== 'alive') throw unavailable(mountpoint, status.kind);
  if (asked !== null && status.groups.length === 0) throw unknownGroup(asked, status.known, '');
  if (args.json !== true) {
    print(formatStat(status.groups, status.images));
    return;
  }
  const { daemon, images, groups } = status;
  const { version = '', transport = '' } = daemon.fields;
  const about = { mountpoint, daemon: { pid: daemon.pid, version, transport } };
  print(`${JSON.stringify({ ...about, images, groups: groups.map(groupJson) }, null, 2)}\n`);
}
