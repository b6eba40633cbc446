import { existsSync, readFileSync } from 'node:fs';
import { release } from 'node:os';
import { dirname, join } from 'node:path';

/** The version in package.json, which is in a folder above this file. */
export function readVersion(): string {
  let folder = import.meta.dirname;
  while (!existsSync(join(folder, 'package.json'))) {
    const parent = dirname(folder);
    if (parent === folder) return 'unknown';
    folder = parent;
  }
  const text = readFileSync(join(folder, 'package.json'), 'utf8');
  return (JSON.parse(text) as { version?: string }).version ?? 'unknown';
}

/**
 * Whether Linux has this version or a later one.
 *
 * @param running As uname(2) names it.
 */
export function isLinuxSince(major: number, minor: number, running = release()): boolean {
  const [first = 0, second = 0] = running.split('.').map(Number);
  return first > major || (first === major && second >= minor);
}
