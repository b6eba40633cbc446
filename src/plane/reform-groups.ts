import type { Control } from '../control/control.js';
import { formatMember, type MemberName, memberText } from '../control/members.js';
import type { GroupStep } from '../control/plan-groups.js';
import type { Changes } from '../control/settings.js';
import type { ControlTree, GoneEntry } from '../tree/control-tree.js';
import { SluiceError } from '../util/errors.js';

type Undo = () => void;

/**
 * Makes steps, all of them or none. Nothing in it waits, and no request comes in between.
 *
 * @returns folders of groups that are gone, for the kernel
 * @throws SluiceError naming the group at fault; everything is as before then
 */
export function reformGroups(
  control: Control,
  tree: ControlTree,
  steps: readonly GroupStep[],
): GoneEntry[] {
  const gone: GoneEntry[] = [];
  const undos: Undo[] = [];
  for (const step of steps) {
    try {
      undos.push(makeStep(control, tree, step, gone));
    } catch (error) {
      for (const undo of undos.toReversed()) undo();
      if (!(error instanceof SluiceError)) throw error;
      const what = 'member' in step ? formatMember(step.member) : step.group || '/';
      throw new SluiceError(`groups: ${what}: ${error.message}`, error.errno, error.exitCode);
    }
  }
  return gone;
}

/** @returns what undoes it */
function makeStep(control: Control, tree: ControlTree, step: GroupStep, gone: GoneEntry[]): Undo {
  switch (step.kind) {
    case 'make':
      if (control.hasGroup(step.group)) return () => {};
      tree.makeGroup(step.group);
      return () => void tree.removeGroup(step.group);
    case 'remove':
      return removeGroup(control, tree, step.group, gone);
    case 'set': {
      const before = allSettings(control, step.group);
      control.apply(step.group, step.changes);
      return () => control.apply(step.group, before);
    }
    case 'move': {
      const back = placeOf(control, step.member);
      put(control, step.member, step.group);
      return () => put(control, step.member, back);
    }
    default: {
      const back = placeOf(control, step.member);
      if (back === null) return () => {};
      put(control, step.member, null);
      return () => put(control, step.member, back);
    }
  }
}

function removeGroup(control: Control, tree: ControlTree, group: string, gone: GoneEntry[]): Undo {
  if (!control.hasGroup(group)) return () => {};
  const before = allSettings(control, group);
  gone.push(tree.removeGroup(group));
  return () => {
    tree.makeGroup(group);
    control.apply(group, before);
  };
}

function allSettings(control: Control, group: string): Changes {
  if (group !== '') return control.settings(group);
  const { depth, cost } = control.mountSettings();
  return { ...control.settings(group), depth, cost };
}

/** The group that has a member; null: none has. Names of users are numbers already. */
function placeOf(control: Control, member: MemberName, group = ''): string | null {
  if (control.members(group).includes(memberText(member))) return group;
  for (const below of control.groupsBelow(group)) {
    const found = placeOf(control, member, below);
    if (found !== null) return found;
  }
  return null;
}

/** Puts a member into a group; null: takes it out of its group. */
function put(control: Control, member: MemberName, group: string | null): void {
  if (group !== null) {
    apply(control, group, member, false);
    return;
  }
  const isImage = control.images().some(({ name }) => name === memberText(member));
  const isImageItself = member.kind === 'image' && isImage;
  const place = isImageItself ? '' : placeOf(control, member);
  if (place !== null) apply(control, place, member, !isImageItself);
}

function apply(control: Control, group: string, member: MemberName, remove: boolean): void {
  control.apply(group, { members: [{ member, remove }] });
}
