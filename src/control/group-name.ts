import { refuse, type SluiceError } from '../util/errors.js';

/** Names of the files in the root group that are not called `io.` something. */
export const RESERVED_NAMES: readonly string[] = [
  'members',
  'daemon',
  'images',
  'partitions',
  'refused',
];

const MAX_NAME_BYTES = 255;

/**
 * Checks one part of a group's path: it must be possible as a directory beside the control files, and
 * in a word PATH:KEY=VALUE of the command line.
 *
 * @throws SluiceError EINVAL, ENAMETOOLONG; exit code 2.
 */
export function checkGroupName(name: string): void {
  if (name === '') throw refuse("a name in the group's path is empty");
  if (name.startsWith('.')) throw refuse("a group's name cannot begin with a dot");
  // U+FFFD stands for bytes that are no UTF-8: the kernel would know the group by another name.
  if (name.includes('\uFFFD')) throw refuse("a group's name must be valid UTF-8");
  if (/[=/]|\p{Cc}/u.test(name)) {
    throw refuse('"=" and control characters cannot be part of a group\'s name');
  }
  if (name.startsWith('io.') || RESERVED_NAMES.includes(name)) {
    throw refuse(`"${name}" is kept for a control file; choose another name`);
  }
  if (Buffer.byteLength(name) > MAX_NAME_BYTES) {
    throw refuse(`a group's name is longer than ${MAX_NAME_BYTES} bytes`, 'ENAMETOOLONG');
  }
}

/** Path of a group as it is named on the command line, with or without slashes around it. */
export function groupPath(asked: string): string {
  return asked.replace(/^\/+|\/+$/g, '');
}

/**
 * The same for a group that must be named. An empty word is most likely an unset variable, which would
 * change the whole mount; names like `..` would lead out of the groups.
 *
 * @throws SluiceError EINVAL, ENAMETOOLONG; exit code 2.
 */
export function namedGroup(asked: string): string {
  if (asked === '') throw refuse('the name of the group is empty; / is the root group');
  const path = groupPath(asked);
  if (path !== '') for (const part of path.split('/')) checkGroupName(part);
  return path;
}

/** The paths of groups and of all groups above them, each once. */
export function withParents(paths: readonly string[]): string[] {
  const all = new Set<string>();
  for (const path of paths) {
    for (let end = path.indexOf('/'); end > 0; end = path.indexOf('/', end + 1)) {
      all.add(path.slice(0, end));
    }
    all.add(path);
  }
  return [...all];
}

/** A mount may have thousands of groups; the error names the first ones. */
const NAMED_GROUPS = 10;

/** How that error begins. */
export const NO_GROUP = 'there is no group ';

/** The error for a group that the mount does not have. `known`: paths of its groups. */
export function unknownGroup(asked: string, known: readonly string[], hint: string): SluiceError {
  const list = known
    .slice(0, NAMED_GROUPS)
    .map((path) => path || '/')
    .join(', ');
  const more = known.length > NAMED_GROUPS ? ` and ${known.length - NAMED_GROUPS} more` : '';
  return refuse(`${NO_GROUP}"${asked}"; groups: ${list}${more}${hint}`, 'ENOENT');
}
