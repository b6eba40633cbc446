import { existsSync, readdirSync, readFileSync, readSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';

/**
 * A program: prints the control files of a mount as JSON. It runs apart from the command that needs
 * them, because reading from a mount whose daemon hangs may never return (see run-program.ts).
 *
 *     control-reader.js MOUNTPOINT GROUP [FILE...]
 *
 * GROUP is a path below the root group, '' for it, or `/` for all groups; without FILE those are not looked at.
 * It answers once, and again for each byte that comes in on its standard input, up to the end of that.
 */

/** Stands for all groups: the path of a group does not begin with a slash. */
const ALL = '/';
/** Files that only the root group has. */
const ROOT_FILES: ReadonlySet<string> = new Set(['io.depth', 'io.cost']);
/** Errors of the files of a group that was removed meanwhile. */
const GONE: ReadonlySet<string> = new Set(['ENOENT', 'ENODEV', 'ESTALE']);

/** The control files of one group. */
export interface GroupFiles {
  /** Path below the root group, `''` for it. */
  path: string;
  /** Text of each file that was asked for and that the group has. */
  files: Record<string, string>;
}

/** An answer, in lines of JSON: first the head, then one line for each group. An empty line ends it. */
export type ControlHead =
  | { error: string }
  /** `known`: where one group is asked for and is not there, groups that are. */
  | { daemon: string; images: string; known: string[] };

const directoryOf = (mountpoint: string): string => join(mountpoint, '.groups');

function print(line: ControlHead | GroupFiles): void {
  writeSync(1, `${JSON.stringify(line)}\n`);
}

function subgroups(directory: string, path: string): string[] {
  const entries = readdirSync(join(directory, path), { withFileTypes: true });
  return entries.filter((entry) => entry.isDirectory()).map((entry) => join(path, entry.name));
}

function readGroup(directory: string, path: string, names: readonly string[]): GroupFiles {
  const files: Record<string, string> = {};
  for (const name of names) {
    if (path !== '' && ROOT_FILES.has(name)) continue;
    const text = readFile(directory, path, name);
    if (text !== null) files[name] = text;
  }
  return { path, files };
}

/** Null for a file that a daemon of an older version does not have. Throws if the group is gone. */
function readFile(directory: string, path: string, name: string): string | null {
  try {
    return readFileSync(join(directory, path, name), 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT' && existsSync(join(directory, path))) return null;
    throw error;
  }
}

/** A group and all below it. Groups that go meanwhile are left out. */
function printGroups(directory: string, path: string, names: readonly string[]): void {
  try {
    print(readGroup(directory, path, names));
    for (const group of subgroups(directory, path)) printGroups(directory, group, names);
  } catch (error) {
    if (path === '' || !GONE.has(codeOf(error))) throw error;
  }
}

/** Groups to name where `group` is not there: those beside it, as far down as there are any. */
function groupsBeside(directory: string, group: string): string[] {
  for (let path = dirname(group); ; path = dirname(path)) {
    const parent = path === '.' ? '' : path;
    try {
      const found = subgroups(directory, parent);
      if (parent === '') return ['', ...found];
      if (found.length > 0) return found;
    } catch {
      if (parent === '') return [];
    }
  }
}

/** A daemon of an older version does not have every file. */
function readIfThere(path: string): string {
  return existsSync(path) ? readFileSync(path, 'utf8') : '';
}

function answer(mountpoint: string, group: string | null, names: readonly string[]): void {
  const directory = directoryOf(mountpoint);
  const head = {
    daemon: readFileSync(join(directory, 'daemon'), 'utf8'),
    images: readIfThere(join(directory, 'images')),
  };
  const isThere = group === null || existsSync(join(directory, group));
  print({ ...head, known: isThere ? [] : groupsBeside(directory, group) });
  if (group === null) {
    if (names.length > 0) printGroups(directory, '', names);
  } else if (isThere) print(readGroup(directory, group, names));
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? 'EIO';
}

const [mountpoint = '', group = ALL, ...names] = process.argv.slice(2);
do {
  try {
    answer(mountpoint, group === ALL ? null : group, names);
  } catch (error) {
    print({ error: codeOf(error) });
  }
  writeSync(1, '\n');
} while (readSync(0, Buffer.alloc(1)) > 0);
