import { setTimeout as delay } from 'node:timers/promises';
import type { BenchCase, Storage } from './bench-cases.js';
import { checkNotEnding, messageOf } from './lib/cleanup.js';
import { runFio, startFio } from './lib/fio.js';
import { dropCache } from './lib/image.js';
import { cpuTime, outcomeOf } from './lib/process.js';
import type { Server } from './lib/servers.js';
import { rotate, type Summary, summarize } from './lib/stats.js';

/** The length and the number of the measurements. */
export interface BenchSettings {
  seconds: number;
  rampSeconds: number;
  rounds: number;
  sizeMib: number;
}

/** The image of a storage and the folder for mounts beside it. */
export interface Place {
  image: string;
  folder: string;
}

/** The result of one server in one case. */
interface ServerResult {
  /** Requests or bytes per second; null when every round failed. */
  figure: Summary | null;
  /** Percent of the server's CPU time spent in user mode; null without a process or any ticks. */
  userPercent: Summary | null;
  /** Its CPU time for a request, us; null without a process, and where a request is not one transfer. */
  cpuPerRequest: Summary | null;
  /** System calls of its process for a request; null where nobody counts them. */
  callsPerRequest: number | null;
  errors: string[];
}

/** The results of all servers in one case, by server name. */
export interface CaseResult {
  id: string;
  title: string;
  storage: Storage;
  unit: 'iops' | 'bytes';
  servers: Record<string, ServerResult>;
}

interface Sample {
  figure: number;
  userPercent: number | null;
  cpuPerRequest: number | null;
}

/** Length of a clock tick, in which the kernel tells CPU times; 100 a second on every architecture. */
const TICK_US = 10_000;

async function measure(
  server: Server,
  bench: BenchCase,
  place: Place,
  settings: BenchSettings,
): Promise<Sample> {
  const size = settings.sizeMib << 20;
  await dropCache(place.image);
  const running = await server.start(place.image, size, place.folder);
  try {
    const before = running.pid === null ? null : await cpuTime(running.pid);
    const { seconds, rampSeconds } = settings;
    const job = { ...bench.job, file: running.file, size, seconds, rampSeconds };
    const done = await runFio(job, place.folder);
    const after = running.pid === null ? null : await cpuTime(running.pid);
    const figure = bench.unit === 'iops' ? done.iops : done.bytesPerSecond;
    if (before === null || after === null) {
      return { figure, userPercent: null, cpuPerRequest: null };
    }
    const user = after.user - before.user;
    const all = user + after.system - before.system;
    // The half second of warming up is in the CPU time: it has as many requests a second as the rest.
    const requests = done.iops * (seconds + rampSeconds);
    return {
      figure,
      userPercent: all > 0 ? (100 * user) / all : null,
      cpuPerRequest: bench.unit === 'iops' ? (TICK_US * all) / requests : null,
    };
  } finally {
    await running.stop();
  }
}

/** Servers that count their requests. */
const COUNTED: ReadonlySet<Server['kind']> = new Set([
  'sluice',
  'sluice-fuse-uring',
  'sluice-native',
]);

/** Time for fio to start, and for the server to settle. */
const SETTLE_MS = 500;

/**
 * Counts the system calls of a server by perf(1), in a run of its own, because counting makes each call
 * slower. Null if the server does not count its requests, or perf cannot count here.
 */
async function countCalls(
  server: Server,
  bench: BenchCase,
  place: Place,
  settings: BenchSettings,
): Promise<number | null> {
  const size = settings.sizeMib << 20;
  await dropCache(place.image);
  const { file, pid, requests, stop } = await server.start(place.image, size, place.folder);
  try {
    if (pid === null || requests === undefined) return null;
    const { seconds, rampSeconds } = settings;
    const job = {
      ...bench.job,
      file,
      size,
      seconds: seconds + (2 * SETTLE_MS) / 1000,
      rampSeconds,
    };
    const fio = await startFio(job, place.folder);
    await delay(SETTLE_MS + rampSeconds * 1000);
    const from = { at: performance.now(), requests: await requests() };
    const words = ['stat', '-x,', '-e', 'raw_syscalls:sys_enter', '-p', String(pid)];
    const perf = await outcomeOf('perf', [...words, 'sleep', String(seconds)]);
    const perSecond = (1000 * ((await requests()) - from.requests)) / (performance.now() - from.at);
    await fio.end();
    const calls = /^(\d+),/m.exec(perf.stderr)?.[1];
    return calls === undefined || perSecond === 0 ? null : Number(calls) / seconds / perSecond;
  } catch {
    checkNotEnding();
    return null;
  } finally {
    await stop();
  }
}

/**
 * Runs one case. In each round every server runs once, mounted alone on the same image; the order
 * rotates from one round to the next. So a drift of the machine affects all servers alike, no server
 * competes with another for memory or the host's cache, and all have the same file layout. A server
 * that fails is noted and does not end the run.
 */
export async function runCase(
  bench: BenchCase,
  servers: readonly Server[],
  place: Place,
  settings: BenchSettings,
  progress: (line: string) => void,
): Promise<CaseResult> {
  const samples = new Map<string, Sample[]>(servers.map((server) => [server.name, []]));
  const errors = new Map<string, string[]>(servers.map((server) => [server.name, []]));
  for (let round = 0; round < settings.rounds; round++) {
    for (const server of rotate(servers, round)) {
      const at = `${bench.id} ${round + 1}/${settings.rounds} ${server.name}`;
      try {
        const sample = await measure(server, bench, place, settings);
        samples.get(server.name)?.push(sample);
        progress(`${at}: ${Math.round(sample.figure)} ${bench.unit}/s`);
      } catch (error) {
        checkNotEnding();
        errors.get(server.name)?.push(messageOf(error));
        progress(`${at}: failed: ${messageOf(error)}`);
      }
    }
  }
  const results: [string, ServerResult][] = [];
  for (const server of servers) {
    const isCounted = COUNTED.has(server.kind);
    const calls = isCounted ? await countCalls(server, bench, place, settings) : null;
    const result = resultOf(samples.get(server.name) ?? [], errors.get(server.name) ?? [], calls);
    results.push([server.name, result]);
  }
  const { id, title, storage, unit } = bench;
  return { id, title, storage, unit, servers: Object.fromEntries(results) };
}

function resultOf(
  samples: readonly Sample[],
  errors: string[],
  callsPerRequest: number | null,
): ServerResult {
  const known = (key: 'userPercent' | 'cpuPerRequest'): Summary | null =>
    summarize(samples.map((sample) => sample[key]).filter((value) => value !== null));
  return {
    figure: summarize(samples.map((sample) => sample.figure)),
    userPercent: known('userPercent'),
    cpuPerRequest: known('cpuPerRequest'),
    callsPerRequest,
    errors,
  };
}
