import { accessSync, constants, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { delimiter, join } from 'node:path';

// Reads of /proc and /sys, where whatever a file is about may go at any time, or be another user's.

/** The text of a file; null if it cannot be read. */
export function readText(path: string): string | null {
  return attempt(() => readFileSync(path, 'utf8'));
}

/** The names in a folder; none if it cannot be read. */
export function namesIn(folder: string): string[] {
  return attempt(() => readdirSync(folder)) ?? [];
}

/** The target of a symbolic link; null if it cannot be read. */
export function linkTarget(path: string): string | null {
  return attempt(() => readlinkSync(path));
}

/** Where programs are looked for without $PATH, as execvp(3) does. mount(8) takes it away from users. */
const USUAL_FOLDERS = '/bin:/usr/bin';

/** The path of a program; null if no folder has it. @param folders $PATH. */
export function findProgram(
  name: string,
  folders = process.env.PATH ?? USUAL_FOLDERS,
): string | null {
  const paths = folders.split(delimiter).filter((folder) => folder !== '');
  const found = paths
    .map((folder) => join(folder, name))
    .find((path) => attempt(() => accessSync(path, constants.X_OK)) !== null);
  return found ?? null;
}

function attempt<T>(read: () => T): T | null {
  try {
    return read();
  } catch {
    return null;
  }
}
