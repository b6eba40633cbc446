import { firstPart } from '../lease/rates.js';
import type { SharedConfig } from '../lease/words.js';
import { naming } from '../util/errors.js';
import type { Control } from './control.js';
import { withParents } from './group-name.js';
import { parseMember } from './members.js';
import type { Changes, MountSettings } from './settings.js';

/** One throttling group to make at start. */
export interface GroupConfig {
  /** Path below the root group: `slow`, `team/build`; '' is the root group. */
  path: string;
  changes: Changes;
  /** Hosts share its limits. */
  shared?: SharedConfig;
}

/** Which group a member is charged to. */
export interface Assignment {
  /** An image's name, or a rule such as `uid:1000`. */
  member: string;
  /** Path of the group, '' for the root group. */
  group: string;
}

/** The groups that a mount begins with. */
export interface GroupsConfig {
  /** Most requests in flight below the groups. */
  depth: MountSettings['depth'];
  groups: GroupConfig[];
  assignments: Assignment[];
}

/**
 * Makes the groups that a mount begins with.
 *
 * @throws SluiceError naming the option that is at fault.
 */
export function setUpGroups({ depth, groups, assignments }: GroupsConfig, control: Control): void {
  control.apply('', { depth });
  // Parents come first, and are made where nobody names them.
  for (const path of withParents(groups.map((group) => group.path))) {
    if (path !== '') naming(`--group ${path}`, () => control.makeGroup(path));
  }
  for (const { path, changes, shared } of groups) {
    if (shared !== undefined) control.share(path, firstPart(shared.safePart));
    naming(`--group ${path || '/'}`, () => control.apply(path, changes));
  }
  for (const { member, group } of assignments) {
    naming(`--assign ${member}=${group || '/'}`, () => {
      control.apply(group, { members: [{ member: parseMember(member), remove: false }] });
    });
  }
}
