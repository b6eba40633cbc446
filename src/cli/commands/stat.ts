import { setTimeout as delay } from 'node:timers/promises';
import { namedGroup, unknownGroup } from '../../control/group-name.js';
import { groupJson } from '../../control/json.js';
import { SECOND_MS } from '../../control/usage.js';
import { callerJson } from '../../server/caller-json.js';
import { CallerFollower } from '../../server/live-status.js';
import {
  type MountSnapshot,
  readSnapshot,
  SnapshotFollower,
  unavailable,
} from '../../server/status.js';
import { EXIT_USAGE, SluiceError } from '../../util/errors.js';
import { formatCallerTable } from '../caller-report.js';
import type { Arguments, Declaration } from '../declaration.js';
import { findMountpoint } from '../find-mountpoint.js';
import { formatNow, formatStat } from '../stat-report.js';
import { print } from '../terminal.js';
import { workingDirectory } from '../working-directory.js';

export const declaration: Declaration = {
  usage:
    'sluice stat MOUNTPOINT [GROUP] [--callers] [--watch] [--json]\n\nShow what goes through a mount, and how long it takes.',
  operands: { mountpoint: 'where sluice is mounted', group: 'one group only; / is the root group' },
  options: {
    callers: { type: 'boolean', describe: 'show the processes that make the requests' },
    watch: { type: 'boolean', describe: 'print what completed in each second, until Ctrl-C' },
    json: { type: 'boolean', describe: 'print JSON; with --watch an object in each line' },
  },
  examples: [
    ['sluice stat /mnt/s', 'all groups'],
    ['sluice stat /mnt/s slow --watch', 'one group, second by second'],
    ['sluice stat /mnt/s --callers', 'the processes that use the mount most'],
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

async function everySecond(step: () => Promise<void>): Promise<never> {
  (await import('../plain-code.js')).keepPlainCode();
  for (let next = performance.now(); ; next += SECOND_MS) {
    await step();
    await delay(Math.max(0, next + SECOND_MS - performance.now()));
  }
}

/** Prints the processes that use a mount, once or second by second. */
async function showCallers(mountpoint: string, isJson: boolean, isWatch: boolean): Promise<void> {
  const follower = new CallerFollower(mountpoint);
  const step = async (): Promise<void> => {
    const status = await follower.next();
    if (status.kind !== 'alive') throw unavailable(mountpoint, status.kind);
    const { callers } = status;
    const time = new Date().toISOString();
    if (!isJson) print(`${isWatch ? `${clockTime()}\n` : ''}${formatCallerTable(callers)}`);
    else
      print(
        `${JSON.stringify({ time, mountpoint, callers: callers.map(callerJson) }, null, isWatch ? 0 : 2)}\n`,
      );
    if (isWatch && !isJson) print('\n');
  };
  await (isWatch ? everySecond(step) : step());
}

async function watch(mountpoint: string, asked: string | null, isJson: boolean): Promise<never> {
  const group = asked === null ? null : namedGroup(asked);
  const follower = new SnapshotFollower(mountpoint, group);
  try {
    return await everySecond(async () => {
      const status = checked(mountpoint, asked, await follower.next());
      if (isJson) print(`${JSON.stringify(toJson(mountpoint, status))}\n`);
      else print(`${clockTime()}\n${formatNow(status.groups)}\n`);
    });
  } finally {
    follower.end();
  }
}

export async function handler(args: Arguments): Promise<void> {
  const mountpoint = findMountpoint(String(args.mountpoint), workingDirectory());
  const asked = args.group === undefined ? null : String(args.group);
  const isJson = args.json === true;
  if (args.callers === true) {
    if (asked === null) return showCallers(mountpoint, isJson, args.watch === true);
    const what = 'callers are those of the whole mount; leave GROUP out';
    throw new SluiceError(`--callers ${asked}: ${what}`, 'EINVAL', EXIT_USAGE);
  }
  if (args.watch === true) return watch(mountpoint, asked, isJson);
  const group = asked === null ? null : namedGroup(asked);
  const status = checked(mountpoint, asked, await readSnapshot(mountpoint, group));
  if (isJson) print(`${JSON.stringify(toJson(mountpoint, status), null, 2)}\n`);
  else print(formatStat(status.groups, status.images));
}
