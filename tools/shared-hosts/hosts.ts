import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type RunningFio, startFio } from '../lib/fio.js';
import { run } from '../lib/process.js';
import { mountSluice, type SluiceMount } from '../lib/sluice.js';
import type { Sample } from './samples.js';

const MIB = 1 << 20;
const SAMPLE_MS = 20;
const DEADLINE_MS = 60_000;

/** A mount that shares the limit of the group `gold`, as a host of its own. */
export class Host {
  readonly mount: SluiceMount;
  readonly #folder: string;
  #load: RunningFio | null = null;
  #count = 0;
  /** Stopped or dead: its files would not answer, and nothing passes. */
  #isStill = false;

  private constructor(mount: SluiceMount, folder: string) {
    this.mount = mount;
    this.#folder = folder;
  }

  /**
   * @param group Words of `--group gold:`.
   * @param within Words before the command, such as those of nsenter(1).
   */
  static async start(folder: string, name: string, group: string, within: string[]): Promise<Host> {
    const words = ['--read-only', '--group', `gold:${group}`, '--assign', 'img=gold'];
    const images = { img: join(folder, 'image') };
    const point = join(folder, name);
    return new Host(await mountSluice(point, images, 16 * MIB, words, within), folder);
  }

  #read(name: string): string {
    return readFileSync(join(this.mount.mountpoint, '.groups/gold', name), 'utf8');
  }

  /** Reads that were admitted since the mount. */
  get count(): number {
    if (!this.#isStill)
      this.#count = Number(/^total .*\brios=([0-9]+)/m.exec(this.#read('io.stat'))![1]);
    return this.#count;
  }

  /** Requests per second. */
  get granted(): number {
    return this.#isStill ? 0 : Number(/iops:([0-9]+)/.exec(this.shared('granted'))![1]);
  }

  /** A word of io.shared. */
  shared(word: string): string {
    return new RegExp(`\\b${word}=(\\S+)`).exec(this.#read('io.shared'))![1]!;
  }

  /** Random reads, as many as pass. */
  async load(): Promise<void> {
    const job = { rw: 'randread', blockSize: 4096, depth: 16, jobs: 1 } as const;
    const file = { file: this.mount.file('img'), size: 16 * MIB };
    this.#load = await startFio({ ...job, ...file, seconds: 3600, rampSeconds: 0 }, this.#folder);
  }

  async unload(): Promise<void> {
    await this.#load?.end();
    this.#load = null;
  }

  signal(signal: 'SIGSTOP' | 'SIGCONT' | 'SIGKILL'): void {
    this.#isStill = signal !== 'SIGCONT';
    process.kill(this.mount.pid, signal);
  }

  /** What is left of a host that was killed. */
  async bury(): Promise<void> {
    await run('umount', ['-c', '-l', this.mount.mountpoint]);
    await this.unload();
    await this.mount.stop(true);
  }
}

/** Samples the counters of hosts until it is ended. `hosts` may grow meanwhile. */
export function sampling(hosts: readonly Host[]): { end: () => Promise<Sample[]> } {
  const samples: Sample[] = [];
  let isEnded = false;
  const ended = (async () => {
    for (; !isEnded; await delay(SAMPLE_MS)) {
      const from = performance.now();
      const counts = hosts.map((host) => host.count);
      const to = performance.now();
      samples.push({ from, to, counts, granted: hosts.map((host) => host.granted) });
    }
  })();
  const end = async (): Promise<Sample[]> => {
    isEnded = true;
    await ended;
    return samples;
  };
  return { end };
}

export async function sampledFor(hosts: readonly Host[], ms: number): Promise<Sample[]> {
  const { end } = sampling(hosts);
  await delay(ms);
  return end();
}

/** Waits until all hosts have a grant and know each other. */
export async function allGranted(hosts: readonly Host[]): Promise<void> {
  const isDone = (host: Host): boolean =>
    host.shared('state') === 'granted' && host.shared('peers') === `${hosts.length}`;
  for (const end = performance.now() + DEADLINE_MS; !hosts.every(isDone); await delay(50)) {
    if (performance.now() > end) throw new Error('the hosts do not get grants');
  }
}
