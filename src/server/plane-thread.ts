import { join } from 'node:path';
import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads';
import { FigureReader } from '../control/figures.js';
import { makeSlowCall, type SlowCall } from '../host/uring-engine.js';
import { inflate } from '../image/inflate.js';
import type { InflateCall } from '../image/inflate-calls.js';
import type { Unclosed } from '../plane/carry-over.js';
import type { DiskConfig } from '../plane/disk.js';
import type { GroupOrder, GroupOutcome } from '../plane/group-orders.js';
import type { ImageChange, ImageOutcome } from '../plane/image-changes.js';
import type { FromPlane, MountState, PlaneConfig, PlaneEvent, ToPlane } from '../plane/messages.js';
import type { OrderAnswer } from '../plane/orders.js';
import { newEventfd, wakeEventfd } from '../sys/eventfd.js';
import { close } from '../sys/libc.js';
import { EXIT_FAILED, SluiceError } from '../util/errors.js';
import { readVersion } from '../util/version.js';
import type { MountConfig } from './config.js';
import type { Log } from './log.js';
import { NbdReconnect } from './nbd-reconnect.js';
import { answerOf } from './order-answer.js';

/** The thread ends by itself after one of these. */
const LAST_WORDS: ReadonlySet<string> = new Set(['refused', 'flushed', 'flush-failed']);

/** A data plane, seen from the control plane: commands here, and a PlaneEvent for each answer. */
export interface PlaneRunner {
  /** Of all groups, whatever the data plane does. */
  readonly figures: FigureReader;
  /** Lets waiting requests go without limits. */
  release(): void;
  /** Takes no more requests, and lets waiting ones go without limits. Answered by `drained`. */
  drain(): void;
  /** Makes the last flush. Answered by `flushed` or `flush-failed`. */
  flush(): void;
  /** Ends it wherever it is. */
  terminate(): Promise<void>;
  /** Changes the images. Does not reject; a data plane that ends meanwhile leaves it open. */
  change(change: ImageChange): Promise<ImageOutcome>;
  /** Carries out an order about groups. The same holds for it. */
  order(order: GroupOrder): Promise<GroupOutcome>;
  /** Called with each order about images that somebody has written, once this is set. */
  obey: (text: string) => Promise<OrderAnswer>;
}

/** Nobody obeys orders yet. */
export async function notYet(_text: string): Promise<OrderAnswer> {
  return answerOf(new SluiceError('the mount is not ready', 'EAGAIN', EXIT_FAILED));
}

/** The data plane's thread. It loads its program (0.15 s) while images are opened, and then waits. */
export class PlaneWorker {
  /** An eventfd that wakes it; -1 once it is closed: its number may be another file's then. */
  wake = newEventfd();
  readonly worker = new Worker(join(import.meta.dirname, '../loop/worker.js'), {
    name: 'sluice-plane',
  });
  /** It has loaded its program, or has ended. */
  readonly loaded = new Promise<void>((resolve) => {
    this.worker.once('message', () => resolve());
    this.worker.once('exit', () => resolve());
  });
  /** Why it has ended by itself, if it has: for instance for want of descriptors. */
  failure: Error | null = null;

  constructor() {
    this.worker.once('error', (error: Error) => {
      this.failure = error;
    });
    this.worker.once('exit', () => {
      close(this.wake);
      this.wake = -1;
    });
  }

  async end(): Promise<void> {
    // One that could not start tells of its end before anybody waits for it.
    if (this.failure === null) await this.worker.terminate();
  }
}

/** The data plane's thread, seen from the control plane. */
export class PlaneThread implements PlaneRunner {
  readonly figures = new FigureReader();
  obey = notYet;

  /** Called with each `held`. */
  held: (state: MountState | null, failed: readonly Unclosed[]) => void = () => {};

  /** What has been asked and is not answered, by its ID. */
  readonly #asked = new Map<number, (outcome: never) => void>();
  #lastAsked = 0;
  readonly #tell: (event: PlaneEvent) => void;
  readonly #log: Log;
  readonly #reconnect: NbdReconnect;
  readonly #worker: PlaneWorker;
  readonly #port: MessagePort;
  /** False once the thread is to end: its exit is no crash then. */
  #running = true;

  constructor(
    worker: PlaneWorker,
    config: MountConfig,
    disks: DiskConfig[],
    device: Pick<PlaneConfig, 'fuse' | 'queues' | 'before' | 'keep'>,
    about: string,
    log: Log,
    tell: (event: PlaneEvent) => void,
  ) {
    this.#log = log;
    this.#reconnect = new NbdReconnect(log, (news) => this.#send(news));
    this.#tell = tell;
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    // The port must not keep the process alive when the mount is gone.
    port1.unref();
    this.#worker = worker;
    const thread = worker.worker;
    thread.on('message', (messages: readonly FromPlane[]) => {
      for (const message of messages) this.#received(message);
    });
    thread.on('error', (error) => this.#died(error.stack ?? error.message));
    thread.on('exit', (code) => {
      this.#died(`the data plane's thread exited with ${code}`);
    });
    const { groups, assignments, depth, pollUs, verbose } = config;
    const owner = { uid: process.getuid!(), gid: process.getgid!() };
    const pageCache = config.cache === 'page';
    const asked = { groups, assignments, depth, pollUs, verbose, pageCache };
    const toPlane: PlaneConfig = {
      ...asked,
      disks,
      owner,
      about,
      ...device,
      wake: worker.wake,
      inbox: port2,
    };
    thread.postMessage(toPlane, [port2]);
    const { failure } = worker;
    if (failure !== null) queueMicrotask(() => this.#died(failure.message));
  }

  release(): void {
    this.#send({ kind: 'release' });
  }

  drain(): void {
    this.#send({ kind: 'drain' });
  }

  flush(): void {
    this.#send({ kind: 'flush' });
  }

  /** Stills it for another process. Answered by `held`. */
  hold(): void {
    this.#send({ kind: 'hold' });
  }

  /** Goes on after `hold`, or begins in the place of another one. */
  goOn(): void {
    this.#send({ kind: 'go-on' });
  }

  async terminate(): Promise<void> {
    this.#running = false;
    const stopped = this.#worker.end();
    // A thread that sleeps in the kernel notices only when it returns from there.
    this.#notify();
    await stopped;
  }

  #received(message: FromPlane): void {
    if (message.kind === 'log') this.#log[message.level](message.text);
    else if (message.kind === 'loaded') return;
    else if (message.kind === 'figures') this.figures.take(message.news);
    else if (message.kind === 'call') void this.#call(message);
    else if (message.kind === 'inflate') void this.#inflate(message);
    else if (message.kind === 'nbd-lost') this.#reconnect.lost(message.export, message.why);
    else if (message.kind === 'nbd-left') this.#reconnect.left(message.export);
    else if (message.kind === 'order') void this.#order(message.request, message.text);
    else if (message.kind === 'changed' || message.kind === 'grouped') {
      this.#asked.get(message.id)!(message.outcome as never);
      this.#asked.delete(message.id);
    } else if (message.kind === 'held') this.held(message.state, message.failed);
    else {
      if (LAST_WORDS.has(message.kind)) this.#running = false;
      this.#tell(message);
    }
  }

  change(change: ImageChange): Promise<ImageOutcome> {
    return this.#ask((id) => ({ kind: 'change', id, change }));
  }

  order(order: GroupOrder): Promise<GroupOutcome> {
    return this.#ask((id) => ({ kind: 'groups', id, order }));
  }

  /** Resolves with the outcome in the answer. */
  #ask<Outcome>(question: (id: number) => ToPlane): Promise<Outcome> {
    const id = ++this.#lastAsked;
    return new Promise((resolve) => {
      this.#asked.set(id, resolve);
      this.#send(question(id));
    });
  }

  async #order(request: number, text: string): Promise<void> {
    this.#send({ kind: 'ordered', request, answer: await this.obey(text) });
  }

  #died(message: string): void {
    if (this.#running) this.#tell({ kind: 'crashed', message });
    this.#running = false;
  }

  /** Makes a system call for the thread, in libuv's pool. */
  async #call(call: SlowCall): Promise<void> {
    this.#send({ kind: 'result', request: call.request, result: await makeSlowCall(call) });
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
    if (this.#worker.wake >= 0) wakeEventfd(this.#worker.wake);
  }
}

/**
 * The lines of `.groups/daemon`.
 * @param endPath Where the daemon says how it ended; see end-record.ts.
 * @param keyPath Where its key is; see order-key.ts.
 */
export function aboutDaemon(transport: string, endPath: string, keyPath: string): string {
  const lines = [
    `pid ${process.pid}`,
    `version ${readVersion()}`,
    `transport ${transport}`,
    `end ${endPath}`,
    `key ${keyPath}`,
  ];
  return `${lines.join('\n')}\n`;
}
