import type { Assignment, GroupConfig } from '../daemon/config.js';
import { parseLimits } from '../throttle/parse-limits.js';
import { EXIT_USAGE, SluiceError } from '../util/errors.js';
import { hasControlCharacter } from './image-argument.js';

function refuse(message: string, errno = 'EINVAL'): SluiceError {
  return new SluiceError(message, errno, EXIT_USAGE);
}

/** Names of the files in a group's directory; a child group of that name could not be shown. */
const TAKEN = new Set(['members', 'daemon']);
const MAX_PART_BYTES = 255;

function checkPart(part: string, path: string): void {
  const what = `--group ${path}`;
  if (part === '' && path.startsWith('/')) {
    throw refuse(`${what}: a group's path has no slash at its beginning; write ${path.slice(1)}`);
  }
  if (part === '') throw refuse(`${what}: a name in the group's path is empty`);
  if (part.startsWith('.')) throw refuse(`${what}: a group's name cannot begin with a dot`);
  if (part.includes('=') || hasControlCharacter(part)) {
    throw refuse(`${what}: "=" and control characters cannot be part of a group's name`);
  }
  if (part.startsWith('io.') || TAKEN.has(part)) {
    throw refuse(`${what}: "${part}" is kept for a control file; choose another name`);
  }
  if (Buffer.byteLength(part) > MAX_PART_BYTES) {
    throw refuse(`${what}: a group's name is longer than ${MAX_PART_BYTES} bytes`);
  }
}

/**
 * Parses `PATH[:KEY=VALUE,...]` of `--group`.
 *
 * @throws SluiceError EINVAL, exit code 2
 */
export function parseGroupOption(text: string): GroupConfig {
  const colon = text.indexOf(':');
  const path = colon < 0 ? text : text.slice(0, colon);
  if (path === '') throw refuse(`--group "${text}": the group's path is empty`);
  for (const part of path.split('/')) checkPart(part, path);
  if (colon < 0) return { path, limits: {} };
  try {
    return { path, limits: parseLimits(text.slice(colon + 1)) };
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error;
    throw new SluiceError(`--group ${text}: ${error.message}`, error.errno, EXIT_USAGE, error);
  }
}

/** Refuses groups given twice and groups without their parent: as mkdir, this makes no parents. */
export function checkGroups(groups: readonly GroupConfig[]): void {
  const paths = new Set<string>();
  for (const { path } of groups) {
    if (paths.has(path)) throw refuse(`--group ${path}: the group is given twice`, 'EEXIST');
    paths.add(path);
  }
  for (const { path } of groups) {
    const slash = path.lastIndexOf('/');
    const parent = path.slice(0, Math.max(slash, 0));
    if (parent !== '' && !paths.has(parent)) {
      throw refuse(
        `--group ${path}: its parent does not exist; give --group ${parent} too`,
        'ENOENT',
      );
    }
  }
}

/**
 * Parses `MEMBER=PATH` of `--assign`. The last `=` splits: a group's name has none.
 *
 * @throws SluiceError EINVAL, exit code 2
 */
export function parseAssignOption(text: string): Assignment {
  const equals = text.lastIndexOf('=');
  const member = text.slice(0, Math.max(equals, 0));
  const group = text.slice(equals + 1);
  if (member === '' || group === '') {
    throw refuse(`--assign "${text}": write MEMBER=GROUP, for instance disk=slow`);
  }
  return { member, group };
}

function list(names: readonly string[], none: string): string {
  return names.length === 0 ? none : names.join(', ');
}

/** Refuses assignments of what is not mounted, to groups that do not exist or have children. */
export function checkAssignments(
  assignments: readonly Assignment[],
  images: readonly string[],
  groups: readonly string[],
): void {
  const seen = new Set<string>();
  for (const { member, group } of assignments) {
    const what = `--assign ${member}=${group}`;
    if (!images.includes(member)) {
      throw refuse(`${what}: no image is named "${member}"; images: ${list(images, 'none')}`);
    }
    if (!groups.includes(group)) {
      const known = list(groups, 'none; give one with --group');
      throw refuse(`${what}: there is no group "${group}"; groups: ${known}`, 'ENOENT');
    }
    const child = groups.find((path) => path.startsWith(`${group}/`));
    if (child !== undefined) {
      throw refuse(
        `${what}: "${group}" has the child "${child}"; members belong to groups without children`,
        'EBUSY',
      );
    }
    if (seen.has(member)) throw refuse(`${what}: "${member}" is assigned twice`);
    seen.add(member);
  }
}
