import { join } from 'node:path';
import type { GroupSnapshot, ImageSnapshot, PartitionSnapshot } from '../control/control.js';
import { type GroupJson, readGroup } from '../control/json.js';
import { ourMount } from '../fuse/mount-point.js';
import { ProgramAnswers } from '../sys/program-answers.js';
import { runProgram } from '../sys/run-program.js';
import type { CallerFigures } from '../throttle/callers.js';
import { CALLERS_FILE, parseCallers } from '../tree/caller-report.js';
import { STAT_FILES } from '../tree/control-files.js';
import { parseGroup, parseImages, parsePartitions } from '../tree/reports.js';
import { EXIT_DAEMON, EXIT_FAILED, EXIT_MOUNT, SluiceError } from '../util/errors.js';
import { askMount } from './api-client.js';
import type { ControlHead, GroupFiles } from './control-reader.js';
import { detachDeadMount } from './unmount.js';

/** A healthy daemon answers within milliseconds; a loaded machine within a second. */
const READ_LIMIT_MS = 5000;

/** See control-reader.ts. */
const ALL_GROUPS = '/';

const READER = join(import.meta.dirname, '../server/control-reader.js');

/** The facts about a mount in `.groups/daemon`. */
export interface DaemonStatus {
  pid: number;
  /** All its lines, for instance `transport` -> `uring`. */
  fields: Record<string, string>;
}

/** A mount that answers. */
export interface Alive<Images, Group> {
  kind: 'alive';
  daemon: DaemonStatus;
  images: Images;
  /** Empty where one group is asked for and is not there; then `known` names others. */
  groups: Group[];
  known: string[];
}

/** How a mount answers; with the text of `.groups/images` and of control files if it does. */
export type MountStatus = Alive<string, GroupFiles> | NoAnswer;

/** As `MountStatus`, with what the texts say. */
export type MountSnapshot = Alive<ImageSnapshot[], GroupSnapshot> | NoAnswer;

export type NoAnswer =
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
 * Asks a mount how it is. It is given up when it has told nothing for `limitMs`.
 *
 * @param files names of control files to read, for instance `io.stat`
 * @param group path of the one group to look at; null: all
 */
export async function readStatus(
  mountpoint: string,
  files: readonly string[] = [],
  group: string | null = null,
  limitMs = READ_LIMIT_MS,
): Promise<MountStatus> {
  const words = [READER, mountpoint, group ?? ALL_GROUPS, ...files];
  const ran = await runProgram(process.execPath, words, limitMs);
  if (ran.timedOut) return { kind: 'hung' };
  return ran.code === 0 ? parseAnswer(ran.stdout) : { kind: 'foreign' };
}

/** The answer of control-reader.ts. */
function parseAnswer(text: string): MountStatus {
  const [head, ...groups] = text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as ControlHead | GroupFiles);
  // An error may also come after some groups.
  const last = groups.at(-1) ?? head!;
  if ('error' in last) return classifyError(last.error);
  const { daemon: about, images, known } = head as Extract<ControlHead, { daemon: string }>;
  const daemon = parseDaemonFile(about);
  if (daemon === null) return { kind: 'foreign' };
  return { kind: 'alive', daemon, images, groups: groups as GroupFiles[], known };
}

/** What a daemon answers to GET /v1/stat. */
interface StatAnswer {
  daemon: { pid: number; version: string; transport: string };
  images: ImageSnapshot[];
  groups: GroupJson[];
}

/**
 * All about a mount and its groups, or about one group: from its socket, and where this user has none from its
 * control files.
 */
export async function readSnapshot(
  mountpoint: string,
  group: string | null,
): Promise<MountSnapshot> {
  const told = await askForSnapshot(mountpoint, group);
  return told ?? toSnapshot(await readStatus(mountpoint, STAT_FILES, group));
}

/** Null: there is no socket to ask. */
async function askForSnapshot(
  mountpoint: string,
  group: string | null,
): Promise<MountSnapshot | null> {
  const query = group === null ? '' : `?group=${encodeURIComponent(group || '/')}`;
  try {
    const path = `/v1/stat${query}`;
    const answer = await askMount<StatAnswer>(mountpoint, { method: 'GET', path });
    if (answer === null) return null;
    const { daemon, images, groups } = answer;
    const { pid, version, transport } = daemon;
    const about = { pid, fields: { version, transport } };
    return { kind: 'alive', daemon: about, images, groups: groups.map(readGroup), known: [] };
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error;
    // Of a group that is not there the control files name others; of a daemon that has ended they know, too.
    return error.errno === 'ETIMEDOUT' ? { kind: 'hung' } : null;
  }
}

function toSnapshot(status: MountStatus): MountSnapshot {
  if (status.kind !== 'alive') return status;
  const groups = status.groups.map(({ path, files }) => parseGroup(path, files));
  return { ...status, images: parseImages(status.images), groups };
}

/** As `readSnapshot`, again and again, by one process: to start one takes more than all else. */
export class SnapshotFollower {
  readonly #mountpoint: string;
  readonly #group: string | null;
  /** Reads the control files; null as long as the socket answers. */
  #files: ProgramAnswers | null = null;

  constructor(mountpoint: string, group: string | null) {
    this.#mountpoint = mountpoint;
    this.#group = group;
  }

  async next(): Promise<MountSnapshot> {
    const told = this.#files === null && (await askForSnapshot(this.#mountpoint, this.#group));
    if (told) return told;
    if (this.#files === null) {
      const words = [READER, this.#mountpoint, this.#group ?? ALL_GROUPS, ...STAT_FILES];
      this.#files = new ProgramAnswers(process.execPath, words);
    } else this.#files.ask();
    const answer = await this.#files.next(READ_LIMIT_MS);
    if (answer === 'late') return { kind: 'hung' };
    return answer === 'ended' ? { kind: 'foreign' } : toSnapshot(parseAnswer(answer.text));
  }

  end(): void {
    this.#files?.end();
  }
}

/** The file of the root group that lists partitions; what is written to it has tables read again. */
export const PARTITIONS_FILE = 'partitions';

/** The partitions that a mount shows. */
export async function readPartitions(
  mountpoint: string,
): Promise<{ kind: 'alive'; partitions: PartitionSnapshot[] } | NoAnswer> {
  const status = await readStatus(mountpoint, [PARTITIONS_FILE], '');
  if (status.kind !== 'alive') return status;
  const text = status.groups[0]?.files[PARTITIONS_FILE] ?? '';
  return { kind: 'alive', partitions: parsePartitions(text) };
}

/** The threads that make requests of a mount, who does most of late first. */
export async function readCallers(
  mountpoint: string,
): Promise<{ kind: 'alive'; daemon: DaemonStatus; callers: CallerFigures[] } | NoAnswer> {
  const status = await readStatus(mountpoint, [CALLERS_FILE], '');
  if (status.kind !== 'alive') return status;
  const callers = parseCallers(status.groups[0]?.files[CALLERS_FILE] ?? '');
  return { kind: 'alive', daemon: status.daemon, callers };
}

/** Takes a mount of ours away if the kernel says within `limitMs` that its daemon is gone. True if it did. */
export async function detachIfDead(mountpoint: string, limitMs = READ_LIMIT_MS): Promise<boolean> {
  if (ourMount(mountpoint) === null) return false;
  const { kind } = await readStatus(mountpoint, [], null, limitMs);
  return kind === 'dead' && detachDeadMount(mountpoint);
}

type Silent = Exclude<MountStatus['kind'], 'alive'>;

const REASONS: Readonly<Record<Silent, readonly [what: string, errno: string, exitCode: number]>> =
  {
    dead: ['its daemon is gone; remove the mount with sluice umount', 'ENOTCONN', EXIT_DAEMON],
    hung: ['its daemon does not answer', 'ETIMEDOUT', EXIT_FAILED],
    forbidden: ['mounted by another user without --allow-other', 'EACCES', EXIT_MOUNT],
    foreign: ['it shows no groups', 'ENOENT', EXIT_MOUNT],
  };

/** The error for a mount whose groups cannot be read. */
export function unavailable(mountpoint: string, kind: Silent): SluiceError {
  const [what, errno, exitCode] = REASONS[kind];
  return new SluiceError(`${mountpoint}: ${what}`, errno, exitCode);
}
