import { access, mkdir, readFile, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseStats } from '../../src/tree/reports.js';
import { atEnd } from './cleanup.js';
import { isMounted, unmount, waitForFile } from './mounts.js';
import { run, settles } from './process.js';
import { SLUICE } from './program.js';

/** A mount of sluice. */
export interface SluiceMount {
  mountpoint: string;
  /** Process id of the daemon. */
  pid: number;
  /** Reads and writes of all images since the mount began. */
  requests(): Promise<number>;
  /** Path of an image's file. */
  file(name: string): string;
  /**
   * Unmounts and waits for the daemon's end, by stronger and stronger means, in bounded time. `force` is
   * for a mount with waiting requests: their process keeps the file open until they are answered.
   */
  stop(force?: boolean): Promise<void>;
}

/** Throws when the program is not built. */
export async function checkSluiceBuilt(): Promise<void> {
  await access(SLUICE).catch(() => {
    throw new Error(`${SLUICE} is missing; run \`make build\` first`);
  });
}

/** The process id in the text of `.groups/daemon`; throws when it has none. */
function parseDaemonPid(text: string): number {
  const match = /^pid (\d+)$/m.exec(text);
  if (!match) throw new Error('.groups/daemon has no line `pid N`');
  return Number(match[1]);
}

/**
 * Mounts `images` (name to path) of `size` bytes each at `mountpoint` (made here) with further
 * options of `sluice mount`.
 *
 * @param within Words before the command, such as those of nsenter(1).
 * @param command Another copy of the program.
 */
export async function mountSluice(
  mountpoint: string,
  images: Record<string, string>,
  size: number,
  options: readonly string[],
  within: readonly string[] = [],
  command: string = SLUICE,
): Promise<SluiceMount> {
  const names = Object.keys(images);
  const words = names.map((name) => `${name}=${images[name]}`);
  await mkdir(mountpoint);
  let mounting: Promise<string> | null = null;
  let stopping: Promise<void> | null = null;
  const stop = (force = false): Promise<void> => {
    // Waits for a mount command that still runs; otherwise its mount would appear after the clean-up.
    const mounted = mounting?.catch(() => {}) ?? Promise.resolve();
    stopping ??= mounted.then(() => stopSluice(mountpoint, force)).finally(forget);
    return stopping;
  };
  const forget = atEnd(() => stop(true));
  try {
    const own = [process.execPath, command, 'mount', ...words, mountpoint, ...options];
    const [program, ...rest] = [...within, ...own];
    mounting = run(program!, rest);
    await mounting;
    for (const name of names) await waitForFile(mountpoint, `${name}.raw`, size, null);
    const pid = await daemonPid(mountpoint);
    const requests = async (): Promise<number> => {
      const text = await readFile(join(mountpoint, '.groups/io.stat'), 'utf8');
      const { rios, wios } = parseStats(text).total;
      return rios + wios;
    };
    return { mountpoint, pid, stop, requests, file: (name) => join(mountpoint, `${name}.raw`) };
  } catch (error) {
    await stop();
    throw error;
  }
}

/**
 * The process that serves a mount. Throws after `ms` milliseconds without an answer: the next
 * daemon after a killed one answers in 0.3 s, and in 1.5 s beside seven others that are tortured.
 */
export async function daemonPid(mountpoint: string, ms = 30_000): Promise<number> {
  const text = readFile(join(mountpoint, '.groups/daemon'), 'utf8');
  if (!(await settles(text, ms))) throw new Error(`${mountpoint} does not answer`);
  return parseDaemonPid(await text);
}

async function stopSluice(mountpoint: string, force: boolean): Promise<void> {
  if (await isMounted(mountpoint)) {
    const pid = await daemonPid(mountpoint, 2000).catch(() => null);
    await run(process.execPath, [
      SLUICE,
      'umount',
      mountpoint,
      ...(force ? ['--force'] : []),
    ]).catch((error: Error) => {
      // The tool goes on, but a failed umount is a fault of the program and must be reported.
      console.error(error.message);
    });
    if (pid !== null) await endDaemon(pid);
    await unmount(mountpoint);
  }
  await rmdir(mountpoint).catch(() => {});
}

async function endDaemon(pid: number): Promise<void> {
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    if (!isAlive(pid)) return;
    process.kill(pid, signal);
    const deadline = Date.now() + 5000;
    while (isAlive(pid) && Date.now() < deadline) await delay(20);
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
