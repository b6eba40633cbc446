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
  isAlive: (pid: number) => boolean,
): GroupsConfig {
  const groups: GroupConfig[] = [];
  const assignments: Assignment[] = [];
  for (const { path, settings, members } of figures.observations()) {
    const isRoot = path === '';
    const all = settingsJson(isRoot ? { ...settings, depth, cost } : settings);
    groups.push({ path, changes: parseSettings(all, isRoot) });
    for (const { name } of members) {
      // Where they are from the start, or nobody's any more.
      if ((isRoot && images.has(name)) || isOfEnded(name, isAlive)) continue;
      assignments.push({ member: escapeName(name), group: path });
    }
  }
  return { depth, groups, assignments };
}

/** A rule about a process that has ended. It goes by itself some time. */
function isOfEnded(member: string, isAlive: (pid: number) => boolean): boolean {
  const [, pid] = /^pid:(\d+)$/.exec(member) ?? [];
  return pid !== undefined && !isAlive(Number(pid));
}
