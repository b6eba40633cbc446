import { realpathSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { FUSE_TYPE } from '../fuse/mount-point.js';
import { readMountTable, topMount } from '../sys/mount-table.js';
import { EXIT_MOUNT, SluiceError } from '../util/errors.js';
import { absolutePath } from './working-directory.js';

/** Resolves all symbolic links; returns the path itself if that fails, as on a dead mount. */
function resolved(path: string): string {
  try {
    return realpathSync.native(path);
  } catch {
    return path;
  }
}

/**
 * Finds the sluice mount at a path. Touches the file system only if the mount table does not have the
 * path itself: then it is no mount, or a link to one.
 *
 * @returns the mount point as the kernel knows it
 * @throws SluiceError EINVAL, exit code 4, when sluice is not mounted there
 */
export function findMountpoint(argument: string, directory: string): string {
  const path = absolutePath('the mount point', argument, directory);
  const table = readMountTable();
  const candidates = [
    () => path,
    // The last part may be a dead mount, which cannot be resolved.
    () => join(resolved(dirname(path)), basename(path)),
    () => resolved(path),
  ];
  for (const attempt of candidates) {
    const candidate = attempt();
    const mount = topMount(table, candidate);
    if (mount === null) continue;
    if (mount.type === FUSE_TYPE) return candidate;
    throw notSluice(path, `a mount of type ${mount.type}, not of sluice`);
  }
  const hint = path.endsWith('.raw') ? '; name the directory, not a file in it' : '';
  throw notSluice(path, `sluice is not mounted there${hint}`);
}

function notSluice(path: string, what: string): SluiceError {
  return new SluiceError(`${path}: ${what}`, 'EINVAL', EXIT_MOUNT);
}
