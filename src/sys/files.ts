import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

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

function attempt<T>(read: () => T): T | null {
  try {
    return read();
  } catch {
    return null;
  }
}
