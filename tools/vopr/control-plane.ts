import type { MessagePort } from 'node:worker_threads';
import { gunzipSync, inflateRawSync, inflateSync, constants as zlib } from 'node:zlib';
import { ZSTDDecoder } from 'zstddec';
import { FigureReader } from '../../src/control/figures.js';
import type { NbdExport, NbdNews } from '../../src/host/nbd-export.js';
import type { InflateCall } from '../../src/image/inflate-calls.js';
import { zstdFrameBytes } from '../../src/image/zstd-frame.js';
import type { Unclosed } from '../../src/plane/carry-over.js';
import type { GroupOrder, GroupOutcome } from '../../src/plane/group-orders.js';
import type { ImageChange, ImageOutcome } from '../../src/plane/image-changes.js';
import type { FromPlane, MountState, ToPlane } from '../../src/plane/messages.js';
import type { OrderAnswer } from '../../src/plane/orders.js';
import { type Conclusion, conclude } from '../../src/server/conclusion.js';
import type { HandOver } from '../../src/server/hand-over.js';
import { type Event, Lifecycle } from '../../src/server/lifecycle.js';
import { notYet } from '../../src/server/plane-thread.js';
import type { Coverage } from './coverage.js';
import type { FuseKernel } from './fuse-kernel.js';
import type { HostFiles } from './host-files.js';
import type { SimConfigFile } from './reload-callers.js';
import type { WakeFile } from './wake-file.js';
import { Failure, type World } from './world.js';

const zstd = new ZSTDDecoder();
/** Must be there before a run with Zstandard. */
export const zstdReady = zstd.init();

/** Messages between the two threads take this long at most, nanoseconds. */
const MESSAGE_NS = 20_000;
/** As in mount-session.ts: an umount(2) that takes longer waits for write-back, which limits must not hold. */
const BUSY_KNOWN_NS = 50e6;

/** What happens to the mount that its daemon does not decide. */
export interface Surroundings {
  /** Files of the mount are open. */
  isBusy(): boolean;
  /** The files can be used. */
  ready(): void;
  /** The data plane was held, and goes on. */
  wentOn(): void;
}

/** The main thread: the real life cycle, with simulated actions. */
export class ControlPlane {
  conclusion: Conclusion | null = null;
  isDead = false;
  readonly lifecycle: Lifecycle;
  /** Carries out orders about images. */
  obey: (text: string) => Promise<OrderAnswer> = notYet;
  /** Makes connections to servers again; null: there are no servers. */
  network: { lost(one: NbdExport): void; left(one: NbdExport): void } | null = null;
  /** The configuration file of the mount, as it is now. */
  configFile: SimConfigFile = {
    now: { groups: [], assignments: [] },
    images: [],
    isBusy: false,
    isUncertain: false,
  };
  /** What lets another process go on; null: nothing does. */
  handOver: Pick<HandOver, 'finish' | 'giveUp' | 'keep' | 'isKept'> | null = null;
  /** Ends the process where it is. */
  dies: () => void = () => {};
  /** As in plane-thread.ts. */
  readonly figures = new FigureReader();
  held: (state: MountState | null, failed: readonly Unclosed[]) => void = () => {};
  /** Orders about groups that the data plane has not answered. */
  readonly #orders = new Map<number, (outcome: GroupOutcome) => void>();
  /** Changes of images that the data plane has not answered. */
  readonly #changes = new Map<number, (outcome: ImageOutcome) => void>();
  #lastChange = 0;
  readonly #world: World;
  readonly #kernel: FuseKernel;
  readonly #files: HostFiles;
  readonly #port: MessagePort;
  readonly #wake: WakeFile;
  readonly #coverage: Coverage;
  readonly #images: { name: string; path: string }[];
  readonly #delay: (most: number) => number;
  readonly #wentOn: () => void;
  #isMounted = false;
  #isRunning = true;
  #isGone = false;

  constructor(
    world: World,
    kernel: FuseKernel,
    files: HostFiles,
    port: MessagePort,
    wake: WakeFile,
    coverage: Coverage,
    images: { name: string; path: string }[],
    delay: (most: number) => number,
    around: Surroundings,
  ) {
    this.#world = world;
    this.#kernel = kernel;
    this.#files = files;
    this.#port = port;
    this.#wake = wake;
    this.#coverage = coverage;
    this.#images = images;
    this.#delay = delay;
    this.#wentOn = around.wentOn;
    this.lifecycle = new Lifecycle({
      announce: () => around.ready(),
      unmount: () => this.#unmount(around.isBusy()),
      drain: () => this.#send({ kind: 'drain' }),
      flush: () => this.#send({ kind: 'flush' }),
      close: () => this.#close(),
      'let-go': () => this.#letGo(),
      'exit-soon': () => this.#later(10e9, () => this.#end()),
      end: () => this.#end(),
    });
  }

  get hasEnded(): boolean {
    return this.conclusion !== null;
  }

  /** A message of the data plane's thread. */
  readonly received = (message: FromPlane): void => {
    // Numbers that both threads see: it does not matter when the news of them comes.
    if (message.kind === 'figures' && this.handOver !== null) this.figures.take(message.news);
    this.#later(this.#delay(MESSAGE_NS), () => this.#take(message));
  };

  /** Something happens to the mount. */
  tell(event: Event): void {
    const { state } = this.lifecycle;
    this.#coverage.add(`life ${state} ${event.kind}`);
    this.#world.trace?.(`${event.kind} while the mount is ${state}`);
    if (this.#changes.size > 0) this.#coverage.add(`life ${state} ${event.kind}, images change`);
    this.lifecycle.tell(event);
    if (this.lifecycle.state !== 'serving' || !this.lifecycle.isAsked) return;
    throw new Failure('a signal has asked for the end, and the mount is served on');
  }

  /** The mount and its data plane are there. */
  mounted(): void {
    this.#isMounted = true;
    this.tell({ kind: 'mounted' });
  }

  /** A signal that asks for the end: as in run.ts. @param now It is SIGQUIT. */
  signal(now: boolean): void {
    const atOnce = now || this.lifecycle.isAsked;
    this.tell({ kind: atOnce ? 'abort' : 'terminate' });
  }

  /** The data plane's thread has ended; a message is its reason where that was no order. */
  threadEnded(message: string | null): void {
    const wasRunning = this.#isRunning;
    this.#isRunning = false;
    if (wasRunning && message !== null) this.tell({ kind: 'crashed', message });
  }

  /** Another process goes on with the mount: who asks this one for its end has to ask that one. */
  get hasLetGo(): boolean {
    const { state } = this.lifecycle;
    const isOver = state === 'closing' || state === 'ended';
    return isOver && this.lifecycle.end.cause.kind === 'handed-over';
  }

  /** Images come, go or change. */
  get changesImages(): boolean {
    return this.#changes.size > 0;
  }

  /** The process has died. */
  die(): void {
    this.isDead = true;
    this.#isGone = true;
    this.#isRunning = false;
  }

  /** The data plane of this process is held, or about to be. */
  get isHandingOver(): boolean {
    const { state } = this.lifecycle;
    return state === 'handing-over' || state === 'recalled' || this.hasLetGo;
  }

  /** As in plane-thread.ts. What was sent before comes before, and what is sent after it after. */
  hold(): void {
    this.#send({ kind: 'hold' }, MESSAGE_NS);
  }

  goOn(): void {
    this.#wentOn();
    this.#send({ kind: 'go-on' }, 0);
  }

  /**
   * A timer: calls `event` after `ns` nanoseconds, unless the process has ended by then. The function that it
   * returns stops the timer.
   */
  after(ns: number, event: () => void): () => void {
    let isWanted = true;
    this.#later(ns, () => {
      if (!isWanted) return;
      event();
      this.#world.settle();
    });
    return () => {
      isWanted = false;
    };
  }

  /** Waits. Where the process ends meanwhile, nobody goes on. */
  wait(ns: number): Promise<void> {
    return new Promise((resolve) => {
      this.#later(ns, () => {
        resolve();
        this.#world.settle();
      });
    });
  }

  /** As in plane-thread.ts. */
  change(change: ImageChange): Promise<ImageOutcome> {
    const id = ++this.#lastChange;
    this.#coverage.add(`change ${change.kind} in ${this.lifecycle.state}`);
    const name = change.kind === 'attach' ? change.disk.name : change.name;
    this.#world.trace?.(`${change.kind} of ${name} begins`);
    return new Promise((resolve) => {
      this.#changes.set(id, (outcome) => {
        const result = outcome.error?.errno ?? 'ok';
        this.#coverage.add(`change ${change.kind} ${result}`);
        this.#world.trace?.(`${change.kind} of ${name}: ${result}`);
        resolve(outcome);
      });
      this.#send({ kind: 'change', id, change });
    });
  }

  /** As in plane-thread.ts. */
  order(order: GroupOrder): Promise<GroupOutcome> {
    const id = ++this.#lastChange;
    return new Promise((resolve) => {
      this.#orders.set(id, resolve);
      this.#send({ kind: 'groups', id, order });
    });
  }

  /** Tells the data plane of a connection. */
  tellOfServer(news: NbdNews): void {
    if (!this.#isGone) this.#send(news);
  }

  async #order(request: number, text: string): Promise<void> {
    this.#send({ kind: 'ordered', request, answer: await this.obey(text) });
  }

  #take(message: FromPlane): void {
    switch (message.kind) {
      case 'log':
      case 'figures':
        return;
      case 'call': {
        this.#later(this.#delay(1e6), () => {
          const result = this.#files.slowCall(message);
          this.#send({ kind: 'result', request: message.request, result });
        });
        return;
      }
      case 'changed':
        this.#changes.get(message.id)!(message.outcome);
        this.#changes.delete(message.id);
        this.#world.settle();
        return;
      case 'order':
        void this.#order(message.request, message.text);
        this.#world.settle();
        return;
      case 'inflate':
        this.#later(this.#delay(1e6), () => {
          this.#send({ kind: 'inflated', request: message.request, cluster: inflateNow(message) });
        });
        return;
      case 'nbd-lost':
        this.network!.lost(message.export);
        return;
      case 'nbd-left':
        this.network!.left(message.export);
        return;
      case 'loaded':
        return;
      case 'held':
        // That of the beginning. The real main thread waits for it before the mount goes on.
        if (message.state === null && message.failed.length === 0) return;
        this.held(message.state, message.failed);
        this.#world.settle();
        return;
      case 'grouped':
        this.#coverage.add(`groups reformed ${message.outcome.error?.errno ?? 'ok'}`);
        this.#orders.get(message.id)!(message.outcome);
        this.#orders.delete(message.id);
        this.#world.settle();
        return;
      default:
        // The thread ends by itself after its last words.
        if (['refused', 'flushed', 'flush-failed'].includes(message.kind)) this.#isRunning = false;
        this.tell(message);
    }
  }

  #later(afterNs: number, event: () => void): void {
    this.#world.schedule(afterNs, () => {
      if (!this.#isGone) event();
    });
  }

  #send(message: ToPlane, afterNs = this.#delay(MESSAGE_NS)): void {
    if (!this.#isRunning) return;
    this.#later(afterNs, () => {
      this.#port.postMessage(message);
      this.#wake.add();
    });
  }

  /** umount(2). A mount that is in use is detached instead. */
  #unmount(isBusy: boolean): void {
    const takes = isBusy ? this.#delay(1e6) : this.#delay(200e6);
    if (takes > BUSY_KNOWN_NS) this.#later(BUSY_KNOWN_NS, () => this.#send({ kind: 'release' }));
    this.#later(takes, () => {
      if (!isBusy) this.#kernel.disconnect();
      this.#later(this.#delay(1e6), () => this.tell({ kind: 'unmounted' }));
    });
  }

  #close(): void {
    if (!this.#isMounted) return;
    if (this.#isMistake && this.handOver?.isKept === true) {
      this.dies();
      return;
    }
    void this.handOver?.giveUp();
    this.#later(this.#delay(1e6), () => {
      if (this.#isRunning) this.#world.stop = 'terminated';
      this.#isRunning = false;
      this.#kernel.disconnect();
      this.tell({ kind: 'closed' });
    });
  }

  /** As in run.ts. */
  get #isMistake(): boolean {
    const { cause, wasServing, wasAsked } = this.lifecycle.end;
    return cause.kind === 'crashed' && wasServing && !wasAsked;
  }

  /** As in mount-session.ts: the other process goes on when the data plane of this one has ended. */
  #letGo(): void {
    this.#later(this.#delay(1e6), () => {
      if (this.#isRunning) this.#world.stop = 'terminated';
      this.#isRunning = false;
      void this.handOver!.finish();
    });
  }

  #end(): void {
    if (this.hasEnded) return;
    const { hasLetGo } = this;
    this.#isGone = true;
    this.conclusion = conclude(this.lifecycle.end, this.#images as never);
    // A process that ends takes its threads along.
    if (this.#isRunning) this.#world.stop = 'the process has ended';
    if (!hasLetGo) this.#kernel.disconnect();
  }
}

/** The contents of a compressed cluster; null for a broken one. */
export function inflateNow({ method, bytes, clusterBytes }: InflateCall): Uint8Array | null {
  try {
    const options = { maxOutputLength: clusterBytes, finishFlush: zlib.Z_SYNC_FLUSH };
    if (method === 'zlib-stream') return inflateSync(bytes, options);
    if (method === 'gzip') return gunzipSync(bytes, options);
    const cluster =
      method === 'zlib'
        ? inflateRawSync(bytes, options)
        : zstd.decode(bytes.subarray(0, zstdFrameBytes(bytes)), clusterBytes);
    return cluster.length === clusterBytes || method === 'zstd-frame' ? cluster : null;
  } catch {
    return null;
  }
}
