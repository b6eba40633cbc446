import { randomFillSync } from 'node:crypto';
import { mkdtempSync } from 'node:fs';
import { mkdir, open, rm, statfs } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { atEnd } from './cleanup.js';
import { hasMounts } from './mounts.js';
import { run } from './process.js';

const MIB = 1 << 20;
const CHUNK = 4 * MIB;

/** Makes a folder under `parent` (made too if missing) that is removed when the tool ends. */
export async function temporaryFolder(parent: string): Promise<string> {
  await mkdir(parent, { recursive: true });
  let folder = '';
  atEnd(async () => {
    // If a mount could not be undone, removing the folder would remove the files in the mount.
    if (await hasMounts(folder)) throw new Error(`${folder} is left: something is mounted there`);
    // Retried, because a file may just be created when a signal comes (ENOTEMPTY).
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  });
  // Synchronously after atEnd, so that no signal can come between the two and leave the folder.
  folder = mkdtempSync(join(resolve(parent), 'sluice-tool-'));
  return folder;
}

/**
 * Writes an image of `mib` MiB of random data. It has no holes and cannot be compressed, so every server
 * and every disk has the same work. Throws if the folder's file system lacks the room.
 */
export async function makeImage(path: string, mib: number): Promise<void> {
  const room = await statfs(join(path, '..'));
  if (room.bavail * room.bsize < mib * MIB * 1.1) {
    throw new Error(
      `${path}: no room for an image of ${mib} MiB; use --size-mib or another folder`,
    );
  }
  const file = await open(path, 'wx');
  try {
    const chunk = Buffer.alloc(CHUNK);
    for (let left = mib * MIB; left > 0; left -= CHUNK) {
      randomFillSync(chunk);
      await file.write(chunk, 0, Math.min(left, CHUNK));
    }
    await file.sync();
  } finally {
    await file.close();
  }
}

/**
 * Writes the image's changed pages to disk and drops its pages from the host's cache, so that no run
 * profits from the one before. On tmpfs this does nothing: the pages are the file.
 */
export async function dropCache(image: string): Promise<void> {
  await run('sync', [image], 120_000);
  await run('dd', [`if=${image}`, 'iflag=nocache', 'count=0', 'status=none']);
}
