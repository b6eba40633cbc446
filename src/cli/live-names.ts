import { readSnapshot } from '../server/status.js';
import { SluiceError } from '../util/errors.js';
import { findMountpoint } from './find-mountpoint.js';
import { workingDirectory } from './working-directory.js';

export { sluiceMountpoints } from '../server/list-mounts.js';

/** What a mount has, for those who type its names. */
export interface Names {
  /** Paths; `/` is the root group. */
  groups: readonly string[];
  images: readonly string[];
}

const NOTHING: Names = { groups: [], images: [] };

export async function namesOf(mountpoint: string): Promise<Names> {
  try {
    const point = findMountpoint(mountpoint, workingDirectory());
    const status = await readSnapshot(point, null);
    if (status.kind !== 'alive') return NOTHING;
    return {
      groups: status.groups.map(({ path }) => path || '/'),
      images: status.images.map(({ name }) => name),
    };
  } catch (error) {
    // Not a mount, or one that does not answer: it has no names to offer.
    if (error instanceof SluiceError) return NOTHING;
    throw error;
  }
}
