import { lstatSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { shortPath } from './socket-path.js';

/** What `socketName` makes. */
const SOCKET = /^[0-9]+-[0-9]+\.sock$/;

/**
 * Removes the sockets of daemons that were killed from a folder. One of a daemon that lives answers; it gets its name
 * only when it can (`ListeningSocket`). Does not reject: what cannot be removed stays.
 */
export async function removeStaleSockets(folder: string): Promise<void> {
  for (const name of namesIn(folder).filter((one) => SOCKET.test(one))) {
    try {
      const path = join(folder, name);
      const found = lstatSync(path);
      if (found.isSocket() && (await isRefused(path))) removeExactly(path, found.ino);
    } catch {
      // Its mount has ended meanwhile, or somebody else cleans the folder.
    }
  }
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** Nobody listens there. Whatever else happens on the way, somebody may. */
function isRefused(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const short = shortPath(path);
    const ended = (refused: boolean): void => {
      connection.destroy();
      short.release();
      resolve(refused);
    };
    const connection = connect(short.path, () => ended(false));
    connection.once('error', ({ code }: NodeJS.ErrnoException) => ended(code === 'ECONNREFUSED'));
  });
}

/** A new mount may have taken the name meanwhile: only the socket that was looked at goes. */
function removeExactly(path: string, ino: number): void {
  const aside = `${path}.${process.pid}`;
  renameSync(path, aside);
  if (lstatSync(aside).ino === ino) rmSync(aside);
  else renameSync(aside, path);
}
