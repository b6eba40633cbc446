import { IN_FLIGHT_MAX, REQUESTS } from '../buffers/memory.js';
import type { Control } from '../control/control.js';
import { makeGroups } from '../control/set-up-groups.js';
import type { Chain } from '../image/chain.js';
import { RawImage } from '../image/raw.js';
import { idOf } from '../sys/id-names.js';
import * as proc from '../sys/proc.js';
import { Counters, type FigureNews } from '../throttle/stats.js';
import { Throttle } from '../throttle/throttle.js';
import { ControlTree } from '../tree/control-tree.js';
import { escapeName } from '../tree/names.js';
import { Tree } from '../tree/tree.js';
import type { Disk } from './disk.js';
import { FlushLosses } from './flush-losses.js';
import { Members } from './members.js';
import type { PlaneConfig } from './messages.js';
import type { Plane } from './plane.js';
import { LockTable, RangeLocks } from './range-locks.js';

/** What the parts of a data plane are made from. */
export type AssemblyConfig = Pick<
  PlaneConfig,
  'disks' | 'groups' | 'assignments' | 'about' | 'depth'
> & {
  /** The transport does not tell who calls. */
  hidesCallers?: boolean;
};

/** The parts of a data plane that are the same for every transport and engine. */
export interface Assembly {
  readonly throttle: Throttle;
  readonly members: Members;
  readonly disks: Disk[];
  readonly tree: Tree;
  readonly isBeingKilled: (thread: number) => boolean;
  /** The plane whose time is the time of changes through control files, once there is one. */
  plane: Plane | null;
}

/**
 * @param chains The chain of each disk, null for a raw one.
 * @param log Called with the reasons of refused changes.
 * @param tellFigures Called with what a FigureReader has to know.
 * @throws SluiceError naming the option of the mount that is at fault.
 */
export function assemble(
  config: AssemblyConfig,
  chains: readonly (Chain | null)[],
  log: (text: string) => void,
  tellFigures?: (news: FigureNews) => void,
): Assembly {
  const throttle = new Throttle(REQUESTS, IN_FLIGHT_MAX, new Counters(tellFigures));
  const members = new Members(throttle, { ...proc, idOf }, config.hidesCallers);
  const tree = new Tree();
  const disks = makeDisks(config, chains, members);
  const assembly: Assembly = {
    throttle,
    members,
    disks,
    tree,
    isBeingKilled: proc.isBeingKilled,
    plane: null,
  };
  const now = (): number => assembly.plane?.nowNs ?? 0;
  const control: Control = {
    throttle,
    now,
    changeMembers: (group, changes) => members.change(group, changes, now()),
    members: (group) => members.list(group, now()),
    log,
  };
  makeGroups(config, control);
  for (const [index, disk] of config.disks.entries()) {
    tree.addDisk(tree.root, `${disk.name}.raw`, index);
  }
  new ControlTree(tree, control, config.about, () => disks.map(imageLine).join(''));
  return assembly;
}

/** A line of `.groups/images`; see names.ts for what is escaped. */
function imageLine({ config, image }: Disk): string {
  const { name, format, readOnly, path } = config;
  const words = [
    escapeName(name),
    `format=${format}`,
    `size=${image.size}`,
    `read_only=${readOnly ? 1 : 0}`,
    `path=${escapeName(path)}`,
  ];
  return `${words.join(' ')}\n`;
}

function makeDisks(
  config: AssemblyConfig,
  chains: readonly (Chain | null)[],
  members: Members,
): Disk[] {
  const table = new LockTable();
  return config.disks.map((disk, file) => ({
    config: disk,
    image: chains[file]?.image ?? new RawImage(file, disk.hostSize),
    chain: chains[file]!,
    file,
    member: members.addImage(disk.name),
    locks: new RangeLocks(table),
    losses: new FlushLosses(),
    dirty: false,
    written: false,
    openedAt: null,
    allocated: disk.allocated,
    times: disk.times,
  }));
}
