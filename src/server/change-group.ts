import { join } from 'node:path';
import { NO_GROUP } from '../control/group-name.js';
import { settingsJson } from '../control/json.js';
import type { Changes } from '../control/settings.js';
import { formatChanges } from '../control/text.js';
import { runProgram } from '../sys/run-program.js';
import { SluiceError } from '../util/errors.js';
import { askMount } from './api-client.js';
import type { ControlOrder, ControlResult } from './control-writer.js';

/** A healthy daemon answers within milliseconds, also while all its groups are saturated. */
const WRITE_LIMIT_MS = 5000;

/** Errors of the way to the daemon. */
const UNEXPLAINED: ReadonlySet<string> = new Set(['ETIMEDOUT', 'ECONNRESET', 'EPIPE']);

const WRITER = join(import.meta.dirname, '../server/control-writer.js');

/** A change of a group. */
export interface GroupChange {
  mountpoint: string;
  /** Path below the root group, '' for it. */
  group: string;
  /** Make the group, and those above it, if they are not there; or remove it. */
  change: 'create' | 'remove' | null;
  changes: Changes;
}

/**
 * Changes a group of a live mount, in bounded time: over its socket all of it or nothing, and where this user has
 * no socket by its control files, one after the other. Null: all is done.
 */
export async function changeGroup(change: GroupChange): Promise<ControlResult> {
  const told = await askForChange(change);
  if (told !== 'no socket') return told;
  const { changes, ...rest } = change;
  return writeControlFiles({ ...rest, settings: formatChanges(changes) });
}

/** Writes control files of a group of a live mount, in bounded time. Null: all is done. */
export async function writeControlFiles(order: ControlOrder): Promise<ControlResult> {
  const ran = await runProgram(process.execPath, [WRITER, JSON.stringify(order)], WRITE_LIMIT_MS);
  if (ran.timedOut) return { file: '', errno: 'ETIMEDOUT', reason: '' };
  if (ran.code !== 0) return { file: '', errno: 'EIO', reason: ran.stderr.trim() };
  return JSON.parse(ran.stdout) as ControlResult;
}

const METHODS = { create: 'PUT', remove: 'DELETE' } as const;

async function askForChange({
  mountpoint,
  group,
  change,
  changes,
}: GroupChange): Promise<ControlResult | 'no socket'> {
  const method = change === null ? 'PATCH' : METHODS[change];
  const path = `/v1/groups/${encodeURIComponent(group || '/')}`;
  const body = change === 'remove' ? {} : { body: settingsJson(changes) };
  try {
    const answer = await askMount(mountpoint, { method, path, ...body });
    return answer === null ? 'no socket' : null;
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error;
    const { errno, message } = error;
    // The command asks itself whether the daemon is there, and whether the group is.
    const isOpen = UNEXPLAINED.has(errno) || message.startsWith(NO_GROUP);
    return { file: '', errno, reason: isOpen ? '' : message };
  }
}
