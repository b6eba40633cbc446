import type { GroupJson } from '../control/json.js';
import { askMount } from '../server/api-client.js';
import { readStatus } from '../server/status.js';
import { parseImages } from '../tree/reports.js';
import { SluiceError } from '../util/errors.js';
import { findMountpoint } from './find-mountpoint.js';
import { workingDirectory } from './working-directory.js';

export { sluiceMountpoints } from '../server/list-mounts.js';

/** A mount that does not answer soon has no names to offer. */
const PATIENCE_MS = 1000;

/** What a mount has, for those who type its names. */
interface Names {
  groups: readonly string[];
  images: readonly string[];
}

const NOTHING: Names = { groups: [], images: [] };

export async function namesOf(mountpoint: string): Promise<Names> {
  try {
    const point = findMountpoint(mountpoint, workingDirectory());
    return (await askSocket(point)) ?? (await readFiles(point));
  } catch (error) {
    // Not a mount, or one that does not answer: it has no names to offer.
    if (error instanceof SluiceError) return NOTHING;
    throw error;
  }
}

async function askSocket(point: string): Promise<Names | null> {
  const asked = { method: 'GET', path: '/v1/stat', limitMs: PATIENCE_MS };
  const answer = await askMount<{ groups: GroupJson[]; images: { name: string }[] }>(point, asked);
  return (
    answer && {
      groups: answer.groups.map(({ path }) => path),
      images: answer.images.map(({ name }) => name),
    }
  );
}

/** Where this user has no socket, as in a container. */
async function readFiles(point: string): Promise<Names> {
  const status = await readStatus(point, [], null, PATIENCE_MS);
  if (status.kind !== 'alive') return NOTHING;
  return {
    groups: status.groups.map(({ path }) => path || '/'),
    images: parseImages(status.images).map(({ name }) => name),
  };
}
