import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * A program: prints the control files of a mount as JSON. It runs apart from the command that needs
 * them, because reading from a mount whose daemon hangs may never return (see run-limited.ts).
 *
 *     control-reader.js MOUNTPOINT [FILE...]
 *
 * Prints a ControlAnswer; without FILE the groups are not looked at.
 */

/** The control files of one group. */
export interface GroupFiles {
  /** Path below the root group, `''` for it. */
  path: string;
  /** Text of each file that was asked for and exists. */
  files: Record<string, string>;
}

/** What the program prints. */
export type ControlAnswer = { error: string } | { daemon: string; groups: GroupFiles[] };

function readGroups(directory: string, path: string, names: readonly string[]): GroupFiles[] {
  const entries = readdirSync(join(directory, path), { withFileTypes: true });
  const files: Record<string, string> = {};
  for (const name of names) {
    if (entries.some((entry) => entry.name === name)) {
      files[name] = readFileSync(join(directory, path, name), 'utf8');
    }
  }
  const groups = [{ path, files }];
  for (const entry of entries) {
    if (entry.isDirectory()) groups.push(...readGroups(directory, join(path, entry.name), names));
  }
  return groups;
}

function answer(mountpoint: string, names: readonly string[]): ControlAnswer {
  try {
    const directory = join(mountpoint, '.groups');
    const daemon = readFileSync(join(directory, 'daemon'), 'utf8');
    return { daemon, groups: names.length === 0 ? [] : readGroups(directory, '', names) };
  } catch (error) {
    return { error: (error as NodeJS.ErrnoException).code ?? 'EIO' };
  }
}

const [mountpoint = '', ...names] = process.argv.slice(2);
process.stdout.write(JSON.stringify(answer(mountpoint, names)));
