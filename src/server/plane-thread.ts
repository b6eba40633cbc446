import { writeSync } from 'node:fs';
import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads';
import { FigureReader } from '../control/figures.js';
import { inflate } from '../image/inflate.js';
import type { InflateCall } from '../image/inflate-calls.js';
import type { DiskConfig } from '../plane/disk.js';
import type { Unflushed } from '../plane/last-flush.js';
import type { FromPlane, PlaneConfig, SlowCall, ToPlane } from '../plane/messages.js';
import { close, eventfd, ftruncate, futimens, lseek } from '../sys/libc.js';
import { assert } from '../util/assert.js';
import { readVersion } from '../util/version.js';
import type { MountConfig } from './config.js';
import type { Log } from './log.js';

const EFD_CLOEXEC = 0o2000000;
/** What is added to the eventfd to wake the thread. */
const ONE = new Uint8Array(new BigUint64Array([1n]).buffer);

/** How the data plane's thread came to its end. */
export type PlaneEnd =
  | { kind: 'ended'; errno: number; unflushed: Unflushed[] }
  /** A group or an assignment could not be made as asked. */
  | { kind: 'refused'; message: string; errno: string }
  | { kind: 'crashed'; message: string };

/** A data plane, seen from the control plane. */
export interface PlaneRunner {
  readonly ready: Promise<void>;
  readonly ended: Promise<PlaneEnd>;
  /** Of all groups, whatever the data plane does. */
  readonly figures: FigureReader;
  release(): void;
  finish(): void;
  terminate(): Promise<void>;
}

/** The data plane's thread, seen from the control plane. */
export class PlaneThread implements PlaneRunner {
  /** Settles when INIT has been answered; never if the thread ends before. */
  readonly ready: Promise<void>;
  /** Settles when the thread has come to its end. Does not reject. */
  readonly ended: Promise<PlaneEnd>;
  readonly figures = new FigureReader();

  readonly #worker: Worker;
  /** An eventfd, -1 once it is closed: its number may be another file's then. */
  #wake: number;
  readonly #port: MessagePort;
  #running = true;

  constructor(config: MountConfig, disks: DiskConfig[], fuse: number, about: string, log: Log) {
    this.#wake = eventfd(0, EFD_CLOEXEC);
    assert(this.#wake >= 0, `eventfd failed with ${this.#wake}`);
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    // The port must not keep the process alive when the mount is gone.
    port1.unref();
    const workerData = planeConfig(config, disks, fuse, this.#wake, port2, about);
    this.#worker = new Worker(new URL('../plane/worker.js', import.meta.url), {
      workerData,
      transferList: [port2],
      name: 'sluice-plane',
    });
    this.ready = new Promise((resolve) => {
      this.#worker.on('message', (message: FromPlane) => {
        if (message.kind === 'ready') resolve();
        else if (message.kind === 'log') log[message.level](message.text);
        else if (message.kind === 'figures') this.figures.take(message.news);
        else if (message.kind === 'call') void this.#call(message);
        else if (message.kind === 'inflate') void this.#inflate(message);
      });
    });
    this.ended = this.#watchEnd();
  }

  /** Lets waiting requests go without limits. */
  release(): void {
    this.#send({ kind: 'release' });
  }

  /** Takes no more requests; `ended` follows when those under way are answered. */
  finish(): void {
    this.#send({ kind: 'finish' });
  }

  /** Ends the thread wherever it is. */
  async terminate(): Promise<void> {
    this.#running = false;
    const stopped = this.#worker.terminate();
    // A thread that sleeps in the kernel notices only when it returns from there.
    this.#notify();
    await stopped;
  }

  #watchEnd(): Promise<PlaneEnd> {
    return new Promise((resolve) => {
      this.#worker.on('message', (message: FromPlane) => {
        if (message.kind === 'ended' || message.kind === 'refused') resolve(message);
      });
      this.#worker.on('error', (error) => {
        resolve({ kind: 'crashed', message: error.stack ?? error.message });
      });
      this.#worker.on('exit', (code) => {
        resolve({ kind: 'crashed', message: `the data plane's thread exited with ${code}` });
        this.#running = false;
        close(this.#wake);
        this.#wake = -1;
      });
    });
  }

  /** Makes a system call for the thread, in libuv's pool. */
  async #call(call: SlowCall): Promise<void> {
    this.#send({ kind: 'result', request: call.request, result: await makeCall(call) });
  }

  async #inflate(call: InflateCall): Promise<void> {
    const { request, method, bytes, clusterBytes } = call;
    const cluster = await inflate(method, bytes, clusterBytes);
    this.#send({ kind: 'inflated', request, cluster });
  }

  #send(message: ToPlane): void {
    if (!this.#running) return;
    this.#port.postMessage(message);
    this.#notify();
  }

  #notify(): void {
    if (this.#wake >= 0) writeSync(this.#wake, ONE);
  }
}

function makeCall(call: SlowCall): Promise<number> {
  const { descriptor } = call;
  if (call.call === 'futimens') return futimens(descriptor, call.times);
  if (call.call === 'ftruncate') return ftruncate(descriptor, call.offset);
  return lseek(descriptor, call.offset, call.whence);
}

function planeConfig(
  config: MountConfig,
  disks: DiskConfig[],
  fuse: number,
  wake: number,
  inbox: MessagePort,
  about: string,
): PlaneConfig {
  return {
    disks,
    groups: config.groups,
    assignments: config.assignments,
    fuse,
    wake,
    inbox,
    owner: { uid: process.getuid!(), gid: process.getgid!() },
    depth: config.depth,
    pollUs: config.pollUs,
    pageCache: config.cache === 'page',
    verbose: config.verbose,
    about,
  };
}

/**
 * The lines of `.groups/daemon`.
 * @param endPath Where the daemon says how it ended; see end-record.ts.
 */
export function aboutDaemon(transport: string, endPath: string): string {
  const lines = [
    `pid ${process.pid}`,
    `version ${readVersion()}`,
    `transport ${transport}`,
    `end ${endPath}`,
  ];
  return `${lines.join('\n')}\n`;
}
