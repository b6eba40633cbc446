import { uptime } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ImageSnapshot } from '../control/control.js';
import { FUSE_TYPE } from '../fuse/mount-point.js';
import { readMountTable, topMount } from '../sys/mount-table.js';
import { parseImages, parseStats } from '../tree/reports.js';
import { identifyDaemon } from './processes.js';
import { type MountStatus, readStatus } from './status.js';

/** Requests are counted over this time. */
const COUNTED_MS = 500;
/** USER_HZ: ticks a second of times in /proc, on every architecture that Node.js runs on. */
const TICKS_PER_S = 100;

/** A mount, as `sluice list` shows it. */
export interface ListedMount {
  mountpoint: string;
  /** `dead`: its daemon is gone. `hung`: it does not answer. */
  state: 'alive' | 'dead' | 'hung';
  /** Null for these fields: unknown. */
  pid: number | null;
  version: string | null;
  transport: string | null;
  /** Since the daemon began. */
  ageSeconds: number | null;
  /** Reads, writes and discards that passed the groups. */
  requestsPerSecond: number | null;
  images: ImageSnapshot[];
}

/** The mounts of this user; root sees all. Those of others, and of other programs, are left out. */
export async function listMounts(): Promise<ListedMount[]> {
  const table = readMountTable();
  const points = new Set(
    table.filter(({ type }) => type === FUSE_TYPE).map(({ mountpoint }) => mountpoint),
  );
  const ours = [...points].filter((point) => topMount(table, point)?.type === FUSE_TYPE).sort();
  const listed = await Promise.all(ours.map(look));
  return listed.filter((one) => one !== null);
}

async function look(mountpoint: string): Promise<ListedMount | null> {
  const before = await count(mountpoint);
  const { status } = before;
  if (status.kind === 'dead' || status.kind === 'hung') return silent(mountpoint, status.kind);
  if (status.kind !== 'alive') return null;
  await sleep(COUNTED_MS);
  const after = await count(mountpoint);
  const { pid, fields } = status.daemon;
  const isCounted = before.requests !== null && after.requests !== null;
  const passed = isCounted ? after.requests! - before.requests! : 0;
  return {
    ...{ mountpoint, state: 'alive', pid },
    version: fields.version ?? null,
    transport: fields.transport ?? null,
    ageSeconds: ageOf(pid),
    requestsPerSecond: isCounted ? Math.max(0, (passed * 1000) / (after.ms - before.ms)) : null,
    images: parseImages(status.images),
  };
}

interface Counted {
  status: MountStatus;
  requests: number | null;
  ms: number;
}

async function count(mountpoint: string): Promise<Counted> {
  const status = await readStatus(mountpoint, ['io.stat'], '');
  const ms = performance.now();
  const text = status.kind === 'alive' ? status.groups[0]?.files['io.stat'] : undefined;
  if (text === undefined) return { status, requests: null, ms };
  const { rios, wios, dios } = parseStats(text).total;
  return { status, requests: rios + wios + dios, ms };
}

function silent(mountpoint: string, state: 'dead' | 'hung'): ListedMount {
  const unknown = { pid: null, version: null, transport: null, ageSeconds: null };
  return { mountpoint, state, ...unknown, requestsPerSecond: null, images: [] };
}

/** Seconds since a daemon began; null where its number is another process's here. */
function ageOf(pid: number): number | null {
  const daemon = identifyDaemon(pid);
  return daemon && Math.max(0, Math.round(uptime() - Number(daemon.startTime) / TICKS_PER_S));
}
