import { setTimeout as delay } from 'node:timers/promises';
import { namedGroup } from '../../control/group-name.js';
import { groupJson } from '../../control/json.js';
import { type MountSnapshot, readSnapshot, SnapshotFollower } from '../../server/status.js';
import type { Arguments, Declaration } from '../declaration.js';
import { findMountpoint } from '../find-mountpoint.js';
import { SECOND_MS } from '../moment.js';
import { formatNow, formatStat } from '../stat-report.js';
import { print } from '../terminal.js';
import { unavailable, unknownGroup } from '../unavailable.js';
import { workingDirectory } from '../working-directory.js';

export const declaration: Declaration = {
  usage:
    'sluice stat MOUNTPOINT [GROUP] [--watch] [--json]\n\nShow what goes through a mount, and how long it takes.',
  operands: { mountpoint: 'where sluice is mounted', group: 'one group only; / is the root group' },
  options: {
    watch: { type: 'boolean', describe: 'print what completed in each second, until Ctrl-C' },
    json: { type: 'boolean', describe: 'print JSON; with --watch an object in each line' },
  },
  examples: [
    ['sluice stat /mnt/s', 'all groups'],
    ['sluice stat /mnt/s slow --watch', 'one group, second by second'],
    ['sluice stat /mnt/s slow --json', 'one group, for programs'],
  ],
};

type Alive = Extract<MountSnapshot, { kind: 'alive' }>;

/** @param asked The group; null: all */
function checked(mountpoint: string, asked: string | null, status: MountSnapshot): Alive {
  if (status.kind !== 'alive') {
    // Throws if it was unmounted meanwhile.
    findMountpoint(mountpoint, workingDirectory());
    throw unavailable(mountpoint, status.kind);
  }
  if (asked !== null && status.groups.length === 0) throw unknownGroup(asked, status.known, '');
  return status;
}

function toJson(mountpoint: string, { daemon, images, groups }: Alive): object {
  const { version = '', transport = '' } = daemon.fields;
  const about = { mountpoint, daemon: { pid: daemon.pid, version, transport } };
  return { time: new Date().toISOString(), ...about, images, groups: groups.map(groupJson) };
}

/** The time of the day, as people have it. */
const clockTime = (): string => new Date().toTimeString().slice(0, 8);

async function watch(mountpoint: string, asked: string | null, isJson: boolean): Promise<never> {
  const group = asked === null ? null : namedGroup(asked);
  const follower = new SnapshotFollower(mountpoint, group);
  try {
    for (let next = performance.now(); ; next += SECOND_MS) {
      const status = checked(mountpoint, asked, await follower.next());
      if (isJson) print(`${JSON.stringify(toJson(mountpoint, status))}\n`);
      else print(`${clockTime()}\n${formatNow(status.groups)}\n`);
      await delay(Math.max(0, next + SECOND_MS - performance.now()));
    }
  } finally {
    follower.end();
  }
}

export async function handler(args: Arguments): Promise<void> {
  const mountpoint = findMountpoint(String(args.mountpoint), workingDirectory());
  const asked = args.group === undefined ? null : String(args.group);
  const isJson = args.json === true;
  if (args.watch === true) return watch(mountpoint, asked, isJson);
  const group = asked === null ? null : namedGroup(asked);
  const status = checked(mountpoint, asked, await readSnapshot(mountpoint, group));
  if (isJson) print(`${JSON.stringify(toJson(mountpoint, status), null, 2)}\n`);
  else print(formatStat(status.groups, status.images));
}
