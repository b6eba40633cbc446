import { realpath } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { FUSE_TYPE } from '../fuse/mount-point.js';
import { readMountTable, topMount } from '../sys/mount-table.js';
import { EXIT_MOUNT, SluiceError } from '../util/errors.js';
import { absolutePath } from './working-directory.js';

/** The path with symbolic links resolved in all but its last part, which may be a dead mount. */
async function resolveParent(path: string): Promise<string> {
  try {
    return join(await realpath(dirname(path)), basename(path));
  } catch {
    return path;
  }
}

/** The path with every link resolved, or itself where that fails, as on a dead mount. */
async function resolveFully(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch {
    return path;
  }
}

/**
 * Finds the sluice mount that a user names. The mount itself is touched only when it is not in the
 * mount table under the name as given: then it is no mount, or a link to one.
 *
 * @returns the mount point as the kernel knows it
 * @throws SluiceError EINVAL, exit code 4, when sluice is not mounted there
 */
export async function findMountpoint(argument: string, directory: string): Promise<string> {
  const path = absolutePath('the mount point', argument, directory);
  const table = await readMountTable();
  for (const attempt of [async () => path, resolveParent, resolveFully]) {
    const candidate = await attempt(path);
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
