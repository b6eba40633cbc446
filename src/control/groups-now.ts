import type { FigureReader } from './figures.js';
import { parseSettings, settingsJson } from './json.js';
import { escapeName } from './names.js';
import type { Assignment, GroupConfig, GroupsConfig } from './set-up-groups.js';
import type { Changes, GroupSettings, MountSettings } from './settings.js';

/** A group that is set has its settings written and parsed once, and not whenever another group changes. */
const known = new WeakMap<GroupSettings, Changes>();

/** The groups as they are, for a mount that begins with them. */
export function groupsNow(
  figures: Pick<FigureReader, 'settings'>,
  { depth, cost }: Pick<MountSettings, 'depth' | 'cost'>,
  images: ReadonlySet<string>,
): GroupsConfig {
  const groups: GroupConfig[] = [];
  const assignments: Assignment[] = [];
  for (const { path, settings, members } of figures.settings()) {
    const isRoot = path === '';
    const changes = isRoot
      ? parseSettings(settingsJson({ ...settings, depth, cost }), true)
      : changesOf(settings);
    groups.push({ path, changes });
    for (const { name } of members) {
      // Where they are from the start.
      if (isRoot && images.has(name)) continue;
      assignments.push({ member: escapeName(name), group: path });
    }
  }
  return { depth, groups, assignments };
}

function changesOf(settings: GroupSettings): Changes {
  const made = known.get(settings) ?? parseSettings(settingsJson(settings), false);
  known.set(settings, made);
  return made;
}
