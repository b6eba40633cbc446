import { fileURLToPath } from 'node:url';
import { ourMount } from '../fuse/mount-point.js';
import type { ControlAnswer, GroupFiles } from './control-reader.js';
import { runLimited } from './run-limited.js';
import { detachDeadMount } from './unmount.js';

/** A healthy daemon answers within milliseconds; a loaded machine within a second. */
const READ_LIMIT_MS = 5000;

const READER = fileURLToPath(new URL('./control-reader.js', import.meta.url));

/** What `.groups/daemon` says of a mount. */
export interface DaemonStatus {
  pid: number;
  /** All its lines, for instance `transport` -> `uring`. */
  fields: Record<string, string>;
}

/** How a mount answers. */
export type MountStatus =
  | { kind: 'alive'; daemon: DaemonStatus; groups: GroupFiles[] }
  /** The daemon is gone and the kernel says so (ENOTCONN, ECONNABORTED). */
  | { kind: 'dead' }
  /** No answer within the limit. */
  | { kind: 'hung' }
  /** Mounted by another user, who did not allow others. */
  | { kind: 'forbidden' }
  /** There is no `.groups/daemon`. */
  | { kind: 'foreign' };

/** Parses the lines `KEY VALUE` of `.groups/daemon`; null if there is no pid among them. */
export function parseDaemonFile(text: string): DaemonStatus | null {
  const fields: Record<string, string> = {};
  for (const line of text.split('\n')) {
    const space = line.indexOf(' ');
    if (space > 0) fields[line.slice(0, space)] = line.slice(space + 1);
  }
  const pid = Number(fields.pid);
  // 1 would be init: a wrong number must not become a signal to it.
  return Number.isSafeInteger(pid) && pid > 1 ? { pid, fields } : null;
}

function classifyError(errno: string): MountStatus {
  if (errno === 'ENOTCONN' || errno === 'ECONNABORTED') return { kind: 'dead' };
  if (errno === 'EACCES' || errno === 'EPERM') return { kind: 'forbidden' };
  return { kind: 'foreign' };
}

/**
 * Asks a mount how it is, in bounded time.
 *
 * @param files names of control files to read in every group, for instance `io.stat`
 */
export async function readStatus(
  mountpoint: string,
  files: readonly string[] = [],
  limitMs = READ_LIMIT_MS,
): Promise<MountStatus> {
  const ran = await runLimited(process.execPath, [READER, mountpoint, ...files], limitMs);
  if (ran.timedOut) return { kind: 'hung' };
  if (ran.code !== 0) return { kind: 'foreign' };
  const answer = JSON.parse(ran.stdout) as ControlAnswer;
  if ('error' in answer) return classifyError(answer.error);
  const daemon = parseDaemonFile(answer.daemon);
  return daemon === null ? { kind: 'foreign' } : { kind: 'alive', daemon, groups: answer.groups };
}

/** Takes a mount of ours away if the kernel says that its daemon is gone. */
export async function detachIfDead(mountpoint: string): Promise<void> {
  if ((await ourMount(mountpoint)) === null) return;
  if ((await readStatus(mountpoint)).kind === 'dead') await detachDeadMount(mountpoint);
}
