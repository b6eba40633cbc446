import { checkGroupName, groupPath } from '../control/group-name.js';
import { formatMember, parseMember } from '../control/members.js';
import type { Assignment, GroupConfig } from '../control/set-up-groups.js';
import { checkShared } from '../control/shared-limits.js';
import { parseWords } from '../control/text.js';
import { takeSharedWords } from '../lease/words.js';
import { EXIT_FAILED, naming, refuse, SluiceError } from '../util/errors.js';

/**
 * Parses `PATH[:KEY=VALUE,...]` of `--group`; the path `/` is the root group, '' in the result.
 *
 * @throws SluiceError EINVAL and others, exit code 2
 */
export function parseGroupOption(text: string): GroupConfig {
  const colon = text.indexOf(':');
  const written = colon < 0 ? text : text.slice(0, colon);
  if (written === '') throw refuse(`--group "${text}": the group's path is empty`);
  const path = groupPath(written);
  if (path !== '') naming(`--group ${path}`, () => path.split('/').forEach(checkGroupName));
  if (colon < 0) return { path, changes: {} };
  const words = text.slice(colon + 1).split(',');
  return naming(`--group ${text}`, () => ({ path, ...parseGroupWords(words, path === '') }));
}

/** Parses the words KEY=VALUE of a group: its settings, and how hosts share its limits. */
export function parseGroupWords(
  words: readonly string[],
  isRoot: boolean,
): Pick<GroupConfig, 'changes' | 'shared'> {
  const { rest, finish } = takeSharedWords(words);
  const changes = rest.length === 0 && words.length > 0 ? {} : parseWords(rest, isRoot);
  const shared = finish(changes.limits ?? {});
  if (shared === null) return { changes };
  checkShared(changes);
  return { changes, shared };
}

/** Refuses groups given twice. */
export function checkGroups(groups: readonly GroupConfig[]): void {
  const paths = new Set<string>();
  for (const { path } of groups) {
    if (paths.has(path)) throw refuse(`--group ${path || '/'}: the group is given twice`, 'EEXIST');
    paths.add(path);
  }
}

/**
 * Parses `MEMBER=PATH` of `--assign`. The last `=` splits: a group's name has none. The path `/` is
 * the root group, '' in the result.
 *
 * @throws SluiceError EINVAL, ERANGE, exit code 2
 */
export function parseAssignOption(text: string): Assignment {
  const equals = text.lastIndexOf('=');
  const member = text.slice(0, Math.max(equals, 0));
  const group = text.slice(equals + 1);
  if (member === '' || group === '') {
    throw refuse(`--assign "${text}": write MEMBER=GROUP, for instance disk=slow`);
  }
  naming(`--assign ${text}`, () => parseMember(member));
  return { member, group: groupPath(group) };
}

/** Is it the name of an image, or may it be that of a partition? Nobody has read the tables yet. */
function isNamed(name: string, images: readonly string[], hasPartitions: boolean): boolean {
  const image = hasPartitions ? name.replace(/\.p[1-9][0-9]*$/, '') : name;
  return images.includes(name) || images.includes(image);
}

/** Refuses assignments of images that are not mounted, to groups that do not exist or have children. */
export function checkAssignments(
  assignments: readonly Assignment[],
  images: readonly string[],
  groups: readonly string[],
  hasPartitions = true,
): void {
  const seen = new Set<string>();
  for (const { member, group } of assignments) {
    const what = `--assign ${member}=${group || '/'}`;
    const name = parseMember(member);
    if (name.kind === 'image' && !isNamed(name.name, images, hasPartitions)) {
      const known = images.join(', ') || 'none';
      throw refuse(`${what}: no image is named "${name.name}"; images: ${known}`);
    }
    if (group !== '' && !groups.includes(group)) {
      const known = groups.join(', ') || 'none; give one with --group';
      throw refuse(`${what}: there is no group "${group}"; groups: ${known}`, 'ENOENT');
    }
    const child = groups.find((path) => path.startsWith(`${group}/`));
    if (group !== '' && child !== undefined) {
      const why = `the group has "${child}" below it; members live in groups without`;
      throw new SluiceError(`${what}: ${why}`, 'EBUSY', EXIT_FAILED);
    }
    const key = formatMember(name);
    if (seen.has(key)) throw refuse(`${what}: "${key}" is assigned twice`);
    seen.add(key);
  }
}
