import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { inflate } from '../image/inflate.js';
import type { Compression } from '../image/inflate-calls.js';
import type { DiskConfig } from '../plane/disk.js';

/** A request to the thread. */
export interface InflateJob {
  method: Compression;
  bytes: Uint8Array;
  clusterBytes: number;
}

type Answer = (cluster: Uint8Array | null) => void;

/** WebAssembly, which runs in the thread that calls it. */
const IN_WEB_ASSEMBLY: ReadonlySet<Compression> = new Set(['zstd', 'zstd-frame', 'xz']);

/**
 * Inflates clusters without holding the main thread up. zlib has libuv's pool; Zstandard and xz get a thread
 * of their own where an image may have such clusters: 2 MiB of Zstandard take 6 to 8 ms.
 */
export class InflateThread {
  /** Resolves when the thread runs, if there is one. */
  readonly ready: Promise<void>;
  #worker: Worker | null = null;
  /** In the order of the jobs, which is that of the answers. */
  readonly #waiting: Answer[] = [];
  #failed = false;

  constructor(disks: readonly DiskConfig[]) {
    this.ready = this.expect(disks);
  }

  /** Disks come: starts the thread if one of them needs it. Resolves when it runs. */
  expect(disks: readonly DiskConfig[]): Promise<void> {
    if (this.#worker !== null || !disks.some(needsThread)) return Promise.resolve();
    const worker = this.#start();
    this.#worker = worker;
    return new Promise((resolve) => {
      // The first message says that it has loaded its modules; `online` comes before that.
      worker.once('message', () => {
        worker.on('message', (cluster) => this.#waiting.shift()!(cluster));
        // It must not keep the process alive when the mount is gone. A new listener undoes an earlier unref.
        worker.unref();
        resolve();
      });
      worker.once('error', () => resolve());
    });
  }

  /** @returns Exactly `clusterBytes` bytes, or null for broken data. */
  inflate(job: InflateJob): Promise<Uint8Array | null> {
    const { method, bytes, clusterBytes } = job;
    if (!IN_WEB_ASSEMBLY.has(method)) return inflate(method, bytes, clusterBytes);
    if (this.#failed) return Promise.resolve(null);
    this.#worker!.postMessage(job);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #start(): Worker {
    const worker = new Worker(join(import.meta.dirname, '../server/inflate-worker.js'), {
      name: 'sluice-inflate',
    });
    worker.on('error', () => {
      this.#failed = true;
      for (const answer of this.#waiting.splice(0)) answer(null);
    });
    return worker;
  }
}

function needsThread({ image }: DiskConfig): boolean {
  return image.methods.some((method) => IN_WEB_ASSEMBLY.has(method));
}
