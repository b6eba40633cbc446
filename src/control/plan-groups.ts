import { withParents } from './group-name.js';
import { formatMember, type MemberName, parseMember } from './members.js';
import type { GroupsConfig } from './set-up-groups.js';
import { type Changes, getValue, putValue, SETTINGS } from './settings.js';

/** One step from some groups to others. Plain data. */
export type GroupStep =
  /** Nothing, if it is there already. */
  | { kind: 'make'; group: string }
  /** Nothing, if it is not there. */
  | { kind: 'remove'; group: string }
  /** Without members. */
  | { kind: 'set'; group: string; changes: Changes }
  | { kind: 'move'; member: MemberName; group: string }
  /** A rule ends; an image is charged to the root group, a partition as its image. Nothing, if it is not there. */
  | { kind: 'drop'; member: MemberName };

/**
 * The steps from the groups of one configuration to those of another. What is the same in both is not touched,
 * whatever has become of it meanwhile.
 */
export function planGroups(before: GroupsConfig, after: GroupsConfig): GroupStep[] {
  const [was, is] = [pathsOf(before), pathsOf(after)];
  const gone = was.filter((path) => !is.includes(path)).toReversed();
  const come = is.filter((path) => !was.includes(path));
  const { out, into } = planMembers(before, after);
  // Members leave first: only groups without members can get groups below them, or be removed.
  return [
    ...out,
    ...gone.map((group): GroupStep => ({ kind: 'remove', group })),
    ...come.map((group): GroupStep => ({ kind: 'make', group })),
    ...is.flatMap((group) => planSettings(group, before, after)),
    ...into,
  ];
}

/** The root group first, and each group before those below it. */
function pathsOf({ groups }: GroupsConfig): string[] {
  return [...new Set(['', ...withParents(groups.map(({ path }) => path))])];
}

function settingsOf({ groups, depth }: GroupsConfig, path: string): Changes {
  const changes = groups.find((group) => group.path === path)?.changes ?? {};
  return path === '' ? { depth, ...changes } : changes;
}

function planSettings(group: string, before: GroupsConfig, after: GroupsConfig): GroupStep[] {
  const [was, is] = [settingsOf(before, group), settingsOf(after, group)];
  const changes: Changes = {};
  for (const setting of SETTINGS) {
    if (setting.part === 'members' || (setting.rootOnly && group !== '')) continue;
    const value = getValue(is, setting) ?? setting.initial;
    const { format } = setting.type;
    if (format(value) === format(getValue(was, setting) ?? setting.initial)) continue;
    putValue(changes, setting, value);
  }
  return Object.keys(changes).length === 0 ? [] : [{ kind: 'set', group, changes }];
}

/** Groups of members, by their names with escapes. */
function membersOf({ assignments }: GroupsConfig): Map<string, string> {
  return new Map(
    assignments.map(({ member, group }) => [formatMember(parseMember(member)), group]),
  );
}

/** Members that change their group leave theirs for the root group, and enter the other one later. */
function planMembers(before: GroupsConfig, after: GroupsConfig) {
  const [was, is] = [membersOf(before), membersOf(after)];
  const out = [...was].flatMap(([name, group]): GroupStep[] => {
    if (is.get(name) === group) return [];
    const member = parseMember(name);
    return [is.has(name) ? { kind: 'move', member, group: '' } : { kind: 'drop', member }];
  });
  const into = [...is].flatMap(([name, group]): GroupStep[] => {
    return was.get(name) === group ? [] : [{ kind: 'move', member: parseMember(name), group }];
  });
  return { out, into };
}
