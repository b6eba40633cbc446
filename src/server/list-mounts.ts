import { setTimeout as sleep } from 'node:timers/promises';
import type { ImageSnapshot } from '../control/control.js';
import { FUSE_TYPE } from '../fuse/mount-point.js';
import { readMountTable, topMount } from '../sys/mount-table.js';
import { parseImages, parseStats } from '../tree/reports.js';
import { SluiceError } from '../util/errors.js';
import { askMount } from './api-client.js';
import type { KeeperState } from './hand-over.js';
import { ageOf, identifyDaemon } from './processes.js';
import { socketFolder } from './socket-path.js';
import { removeStaleSockets } from './stale-sockets.js';
import { readStatus } from './status.js';

/** Requests are counted over this time. */
const COUNTED_MS = 500;
/** Mounts that are asked at the same time: with hundreds of processes at once a mount would seem to be hung. */
const TOGETHER = 8;

/** A mount, as `sluice list` shows it. */
export interface ListedMount {
  mountpoint: string;
  /** `dead`: its daemon is gone. `hung`: it does not answer. */
  state: 'alive' | 'dead' | 'hung';
  /** Null for these fields: unknown. */
  pid: number | null;
  version: string | null;
  transport: string | null;
  /** Does another daemon go on if this one dies? */
  keeper: KeeperState | null;
  /** Since the daemon began. */
  ageSeconds: number | null;
  /** Reads, writes and discards that passed the groups. */
  requestsPerSecond: number | null;
  images: ImageSnapshot[];
}

/** The mounts of this user; root sees all. Those of others, and of other programs, are left out. */
export async function listMounts(): Promise<ListedMount[]> {
  const before = await inTurns(TOGETHER, sluiceMountpoints(), count);
  if (before.some(({ requests }) => requests !== null)) await sleep(COUNTED_MS);
  const listed = await inTurns(TOGETHER, before, look);
  const own = process.getuid!();
  const folder = socketFolder(own, own, process.env);
  if (folder !== null) await removeStaleSockets(folder);
  return listed.filter((one) => one !== null);
}

/** Where sluice is mounted, in order. No mount is asked. */
export function sluiceMountpoints(): string[] {
  const table = readMountTable();
  const points = new Set(
    table.filter(({ type }) => type === FUSE_TYPE).map(({ mountpoint }) => mountpoint),
  );
  return [...points].filter((point) => topMount(table, point)?.type === FUSE_TYPE).sort();
}

/** Does a job for each item, for so many at a time. The results have the order of the items. */
export async function inTurns<Item, Result>(
  most: number,
  items: readonly Item[],
  job: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = [];
  const left = [...items.entries()].reverse();
  const work = async (): Promise<void> => {
    for (let next = left.pop(); next !== undefined; next = left.pop()) {
      results[next[0]] = await job(next[1]);
    }
  };
  await Promise.all(Array.from({ length: most }, work));
  return results;
}

async function look({ mount, requests, ms }: Counted): Promise<ListedMount | null> {
  if (mount?.state !== 'alive') return mount;
  const after = await count(mount.mountpoint);
  if (requests === null || after.requests === null) return mount;
  const passed = Math.max(0, after.requests - requests);
  return { ...mount, requestsPerSecond: (passed * 1000) / Math.max(1, after.ms - ms) };
}

/** A mount, and its requests up to a time. */
interface Counted {
  /** Null: not ours. */
  mount: ListedMount | null;
  /** Null: unknown. */
  requests: number | null;
  /** Since 1970. */
  ms: number;
}

async function count(mountpoint: string): Promise<Counted> {
  try {
    return (await countBySocket(mountpoint)) ?? (await countByFiles(mountpoint));
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error;
    if (error.errno !== 'ETIMEDOUT') return countByFiles(mountpoint);
    return { mount: silent(mountpoint, 'hung'), requests: null, ms: 0 };
  }
}

/** What a daemon answers to GET /v1/mount. */
interface About {
  pid: number;
  version: string;
  transport: string;
  /** Missing: a daemon of an earlier version. */
  keeper?: KeeperState;
  ageSeconds: number;
  timeMs: number;
  requests: number;
}

/** Null: there is no socket to ask. */
async function countBySocket(mountpoint: string): Promise<Counted | null> {
  const ask = <Answer>(path: string) => askMount<Answer>(mountpoint, { method: 'GET', path });
  const about = await ask<About>('/v1/mount');
  const shown = about && (await ask<{ images: ImageSnapshot[] }>('/v1/images'));
  if (about === null || shown === null) return null;
  const { pid, version, transport, keeper = null, ageSeconds, requests, timeMs: ms } = about;
  const facts = { mountpoint, pid, version, transport, keeper, ageSeconds, images: shown.images };
  return { mount: { ...facts, state: 'alive', requestsPerSecond: null }, requests, ms };
}

async function countByFiles(mountpoint: string): Promise<Counted> {
  const status = await readStatus(mountpoint, ['io.stat'], '');
  const ms = Date.now();
  const unknown = { requests: null, ms };
  if (status.kind === 'dead' || status.kind === 'hung') {
    return { mount: silent(mountpoint, status.kind), ...unknown };
  }
  if (status.kind !== 'alive') return { mount: null, ...unknown };
  const { pid, fields } = status.daemon;
  const mount: ListedMount = {
    ...{ mountpoint, state: 'alive', pid, requestsPerSecond: null },
    version: fields.version ?? null,
    transport: fields.transport ?? null,
    keeper: null,
    ageSeconds: secondsOf(pid),
    images: parseImages(status.images),
  };
  const text = status.groups[0]?.files['io.stat'];
  if (text === undefined) return { mount, ...unknown };
  const { rios, wios, dios } = parseStats(text).total;
  return { mount, requests: rios + wios + dios, ms };
}

function silent(mountpoint: string, state: 'dead' | 'hung'): ListedMount {
  const unknown = { pid: null, version: null, transport: null, keeper: null, ageSeconds: null };
  return { mountpoint, state, ...unknown, requestsPerSecond: null, images: [] };
}

/** Seconds since a daemon began; null where its number is another process's here. */
function secondsOf(pid: number): number | null {
  const daemon = identifyDaemon(pid);
  return daemon && Math.round(ageOf(daemon));
}
