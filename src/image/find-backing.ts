import { existsSync, readdirSync } from 'node:fs';
import { dirname, extname, join } from 'node:path';
import { type HostFile, holdOf, openHostFile } from '../host/host-file.js';
import type { Hold } from '../host/local-file.js';
import { isNbdUri } from '../nbd/uri.js';
import { SluiceError } from '../util/errors.js';
import { type BackingTarget, resolveBackingName } from './backing-name.js';
import type { BackingName, OpenHow, OpenImage } from './format.js';
import { formatRecorded } from './formats.js';
import { isNamed, type NamedFiles } from './named-files.js';
import { malformed } from './refusal.js';

/** Files of a folder that are looked at for an image that is known by its identity alone. */
const BESIDE_MAX = 1000;

/**
 * The backing file of an image: the first of its names that leads to a file. If none does and the
 * image says which identity the file must have, it is sought among the files of the command line, and,
 * for an image that has no names, beside it and in the folder above, where VirtualBox keeps it. A file that the mount
 * has open already is the one that was found when it was opened.
 *
 * @throws SluiceError exit code 3 for a name that leads elsewhere than to a file, and for an image that
 *   is known by its identity alone and not found
 */
export function findBacking(
  image: HostFile,
  reference: BackingName,
  { named, held = [] }: SoughtIn,
): BackingTarget {
  const { names, format, identities } = reference;
  const targets = names.map((name) => resolveBackingName(image.path, name));
  const [first] = targets;
  if (identities === undefined) return first!;
  // Files that an untrusted image must not name are not even looked at.
  const mayLook = (path: string): boolean =>
    named?.untrusted !== true || isNamed(path, 'backing', named);
  const isThere = ({ path }: BackingTarget): boolean =>
    mayLook(path) && (isNbdUri(path) || existsSync(path));
  const known = targets.find((one) => holdOf(one.path, held) !== null);
  if (known !== undefined) return known;
  const kept = held.find((one) => hasIdentity(image, one.path, reference, held));
  if (kept !== undefined) return { path: kept.path, format };
  const target = targets.find(isThere);
  if (target !== undefined) return target;
  const given = named?.backingFiles ?? [];
  const mayBeBeside = first === undefined && named?.untrusted !== true && !isNbdUri(image.path);
  const beside = mayBeBeside ? filesBeside(image.path) : [];
  const path = [...given, ...beside].find((other) => hasIdentity(image, other, reference));
  if (path !== undefined) return { path, format };
  if (first !== undefined) return first;
  const how = 'found neither beside it nor in the folder above; --backing-file FILE names it';
  throw malformed(image.path, `its backing file, ${identities.join(' or ')}, is ${how}`);
}

/** Files among which a backing file is. */
interface SoughtIn {
  named?: NamedFiles;
  /** What keeps files of the image for the mount already. */
  held?: readonly Hold[];
}

/** @throws SluiceError EINVAL, exit code 3, for a backing file that is not the one of the image above */
export function checkIdentity(above: Opened, below: Opened): void {
  const wanted = above.image.backing?.identities;
  if (wanted === undefined || haveCommon(wanted, below.image.identities)) return;
  const has = below.image.identities?.join(' or ') ?? 'unknown';
  throw malformed(
    above.file.path,
    `its backing file ${below.file.path} is another one or has been changed: ` +
      `its identity is ${has}, not ${wanted.join(' or ')}`,
  );
}

interface Opened {
  file: HostFile;
  image: OpenImage;
}

function haveCommon(wanted: readonly string[], has: readonly string[] = []): boolean {
  return wanted.some((id) => has.includes(id));
}

/** Files with the same ending in the folder of a file, and in the one above. */
function filesBeside(path: string): string[] {
  const folder = dirname(path);
  return [folder, dirname(folder)].flatMap((one) => {
    return namesIn(one)
      .filter((name) => extname(name).toLowerCase() === extname(path).toLowerCase())
      .slice(0, BESIDE_MAX)
      .map((name) => join(one, name));
  });
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).sort();
  } catch {
    return [];
  }
}

const NO_MORE: OpenHow = {
  snapshot: null,
  openDataFile: (name) => {
    throw new SluiceError(name, 'ENOTSUP', 1);
  },
};

/** Is a file the backing file of an image? Whatever cannot be opened is not. */
function hasIdentity(
  image: HostFile,
  path: string,
  { identities, format }: BackingName,
  held: readonly Hold[] = [],
): boolean {
  let file: HostFile | null = null;
  try {
    file = openHostFile(path, held);
    if (file.identity === image.identity) return false;
    return haveCommon(identities!, formatRecorded(format!)!.open(file, NO_MORE).identities);
  } catch (error) {
    if (error instanceof SluiceError) return false;
    throw error;
  } finally {
    file?.close();
  }
}
