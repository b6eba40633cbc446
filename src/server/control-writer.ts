import {
  closeSync,
  constants,
  mkdirSync,
  openSync,
  readFileSync,
  rmdirSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { withParents } from '../control/group-name.js';

/**
 * A program: writes control files of one group. It runs apart from the command that needs it,
 * because a call on a mount whose daemon hangs may never return (see run-program.ts).
 *
 *     control-writer.js '{"mountpoint": "/mnt/s", "group": "gold", "change": null, "settings": []}'
 *
 * Prints a ControlResult.
 */

/** The order to the program. */
export interface ControlOrder {
  mountpoint: string;
  /** Path below the root group, '' for it. */
  group: string;
  /** Make the group, and those above it, if they are not there; or remove it. */
  change: 'create' | 'remove' | null;
  /** Texts for its control files, in this order. */
  settings: { file: string; text: string }[];
}

/** Where it stopped: settings before that have been made. */
export interface ControlFailure {
  /** The control file; '' for the group itself. */
  file: string;
  errno: string;
  /** The daemon's sentence about it; '' if there is none. */
  reason: string;
}

export type ControlResult = ControlFailure | null;

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? 'EIO';
}

/** The daemon's sentence about the last refused change, if that is about this path. */
function reasonFor(groups: string, path: string): string {
  try {
    const text = readFileSync(join(groups, 'refused'), 'utf8').trimEnd();
    return text.startsWith(`${path}: `) ? text.slice(path.length + 2) : '';
  } catch {
    return '';
  }
}

/** One write(2), which is one change. */
function writeOnce(path: string, text: string): void {
  const file = openSync(path, constants.O_WRONLY);
  try {
    writeSync(file, `${text}\n`);
  } finally {
    closeSync(file);
  }
}

/** Empties `refused`: from now on it is not about an older change. A user who may not do that can change nothing else. */
function forgetRefused(groups: string): void {
  try {
    writeOnce(join(groups, 'refused'), '');
  } catch {
    // The change itself will say what is wrong.
  }
}

function obey({ mountpoint, group, change, settings }: ControlOrder): ControlResult {
  const groups = join(mountpoint, '.groups');
  forgetRefused(groups);
  const failure = (file: string, error: unknown, path = join(group, file)): ControlFailure => {
    return { file, errno: codeOf(error), reason: reasonFor(groups, path) };
  };
  if (change === 'remove') {
    try {
      rmdirSync(join(groups, group));
    } catch (error) {
      return failure('', error);
    }
  }
  for (const path of change === 'create' ? withParents([group]) : []) {
    try {
      mkdirSync(join(groups, path));
    } catch (error) {
      if (codeOf(error) !== 'EEXIST') return failure('', error, path);
    }
  }
  for (const { file, text } of settings) {
    try {
      writeOnce(join(groups, group, file), text);
    } catch (error) {
      return failure(file, error);
    }
  }
  return null;
}

const order = JSON.parse(process.argv[2] ?? '{}') as ControlOrder;
process.stdout.write(JSON.stringify(obey(order)));
