import type { FigureReader } from './figures.js';
import { parseSettings, settingsJson } from './json.js';
import { escapeName } from './names.js';
import type { Assignment, GroupConfig, GroupsConfig } from './set-up-groups.js';
import type { MountSettings } from './settings.js';

/** The groups as they are, for a mount that begins with them. */
export function groupsNow(
  figures: Pick<FigureReader, 'observations'>,
  { depth, cost }: Pick<MountSettings, 'depth' | 'cost'>,
  images: ReadonlySet<string>,
): GroupsConfig {
  const groups: GroupConfig[] = [];
  const assignments: Assignment[] = [];
  for (const { path, settings, members } of figures.observations()) {
    const isRoot = path === '';
    const all = settingsJson(isRoot ? { ...settings, depth, cost } : settings);
    groups.push({ path, changes: parseSettings(all, isRoot) });
    for (const { name } of members) {
      // Where they are from the start.
      if (isRoot && images.has(name)) continue;
      assignments.push({ member: escapeName(name), group: path });
    }
  }
  return { depth, groups, assignments };
}
