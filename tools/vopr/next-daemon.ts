import { closeUnused, withHolds } from '../../src/server/holds.js';
import { openDisks } from '../../src/server/open-disks.js';
import { addOverlays } from '../../src/server/overlay.js';
import type { Handed } from '../../src/server/successor.js';
import type { Mapping } from '../../src/sys/memory.js';
import { Daemon, type DaemonHome } from './daemon.js';
import { descriptorsOf, discard } from './image-orders.js';
import type { KeptMount } from './keepers.js';
import { Failure } from './world.js';

const QUIET = { info() {}, warn() {}, error() {} };

/** What a daemon goes on with. */
export interface NextParts {
  home: DaemonHome;
  before: Daemon;
  memory: Mapping;
  handed: Handed;
  /** A descriptor of its own; it knows the places of those that it inherits. */
  inherit(place: number): number;
  /** Null: no daemon goes on if it dies. */
  kept: KeptMount | null;
  /** Called when it has opened the images. */
  opened(): void;
}

/** A daemon that is ready to go on in the place of another one: as in take-over.ts. */
export async function nextDaemon(parts: NextParts): Promise<Daemon> {
  const { home, before, memory, handed, inherit, kept } = parts;
  const { config, images, groups, assignments, depth, state } = handed;
  const holds = handed.holds.map((hold) => {
    const { descriptor, claim, memory } = hold;
    const others = { claim: inherit(claim), memory: inherit(memory) };
    return { ...hold, descriptor: inherit(descriptor), ...others };
  });
  const asked = { ...config, images, groups, assignments, depth };
  const { config: overlaid, made } = addOverlays({ ...asked, images: withHolds(images, holds) });
  if (made.length > 0) throw new Failure(`${made[0]} is made while a mount goes on`);
  const opened = await openDisks(overlaid, QUIET);
  closeUnused(holds);
  for (const disk of opened.disks) home.files.openedAgain(disk.name, descriptorsOf(disk));
  try {
    for (const { disk, identity } of opened.all) {
      if (handed.identities[disk.name] === identity) continue;
      throw new Failure(`${disk.name} is another file for the new daemon`);
    }
    parts.opened();
    const { configure } = before.opened;
    const { configFile } = before.control;
    const own = { ...before.opened, images: opened };
    const going = { config: asked, asRead: config, configFile };
    const daemon = new Daemon(home, { opened: own, memory, before: going, kept });
    home.built(daemon);
    daemon.build(opened.disks.map(configure), { groups, assignments, depth, before: state });
    return daemon;
  } catch (error) {
    discard(home.files, opened);
    throw error;
  }
}
