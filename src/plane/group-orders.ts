import type { Control, ImageSnapshot, PartitionSnapshot } from '../control/control.js';
import { withParents } from '../control/group-name.js';
import type { GroupStep } from '../control/plan-groups.js';
import type { Changes, MountSettings } from '../control/settings.js';
import type { Limits } from '../throttle/limits.js';
import type { ControlTree, GoneEntry } from '../tree/control-tree.js';
import { type ErrorRecord, recordOf, refuse, SluiceError } from '../util/errors.js';
import { reformGroups } from './reform-groups.js';

/** What is asked of the groups of a mount that is served. Plain data. */
export type GroupOrder =
  /** All that the figures in shared memory do not have. */
  | { kind: 'show' }
  /** The same without the lists of images and partitions. */
  | { kind: 'show-mount' }
  /** `create`: make the group, and those above it, where they are not there. All of it is done, or nothing. */
  | { kind: 'change'; group: string; create: boolean; changes: Changes }
  | { kind: 'remove'; group: string }
  /** All of it is done, or nothing. */
  | { kind: 'reform'; steps: readonly GroupStep[] }
  /** What this host has of the limits that hosts share. ENOENT: there is no such group any more. */
  | { kind: 'grant'; group: string; granted: Partial<Limits> };

/** What a mount shows besides the figures of its groups. */
export interface Shown {
  images: ImageSnapshot[];
  partitions: PartitionSnapshot[];
  mount: MountSettings & { window: number };
}

/** What has become of an order. Plain data. */
export interface GroupOutcome {
  /** Null: all is well. */
  error: ErrorRecord | null;
  /** The answer to `show`. */
  shown: Shown | null;
  /** The folders of groups that are gone, for the kernel: it may know them still. */
  gone: readonly GoneEntry[];
}

const DONE: GroupOutcome = { error: null, shown: null, gone: [] };

/** Carries out an order at once: nothing in it waits, also while every group is saturated. */
export function obeyGroupOrder(
  control: Control,
  tree: ControlTree,
  order: GroupOrder,
): GroupOutcome {
  try {
    if (order.kind === 'remove') return { ...DONE, gone: [tree.removeGroup(order.group)] };
    if (order.kind === 'reform') return { ...DONE, gone: reformGroups(control, tree, order.steps) };
    if (order.kind === 'change') {
      change(control, tree, order);
      return DONE;
    }
    if (order.kind === 'grant') {
      if (control.grant(order.group, order.granted)) return DONE;
      throw refuse(`${order.group || '/'}: hosts share no limits of it`, 'ENOENT');
    }
    control.followSizes(true);
    const isShort = order.kind === 'show-mount';
    const images = isShort ? [] : control.images();
    const partitions = isShort ? [] : control.partitions();
    return { ...DONE, shown: { images, partitions, mount: control.mountSettings() } };
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error;
    return { ...DONE, error: recordOf(error) };
  }
}

/** @throws SluiceError; nothing is changed then */
function change(
  control: Control,
  tree: ControlTree,
  { group, create, changes }: Extract<GroupOrder, { kind: 'change' }>,
): void {
  const made: string[] = [];
  try {
    for (const path of create ? withParents([group]) : []) {
      if (control.hasGroup(path)) continue;
      tree.makeGroup(path);
      made.push(path);
    }
    control.apply(group, changes);
  } catch (error) {
    for (const path of made.toReversed()) tree.removeGroup(path);
    throw error;
  }
}
