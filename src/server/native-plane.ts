import { setTimeout } from 'node:timers/promises';
import { Memory } from '../buffers/memory.js';
import { FigureReader, type News } from '../control/figures.js';
import { ConnectionWatch } from '../fuse/connection-watch.js';
import { isGone } from '../fuse/mount.js';
import type { MountRequest } from '../fuse/mount-options.js';
import { mountNative, type NativeMount } from '../fuse/native-mount.js';
import type { NativePackage } from '../fuse/native-package.js';
import { NativeSession } from '../fuse/native-session.js';
import { HostEngines } from '../host/host-engines.js';
import { NbdEngine } from '../host/nbd-engine.js';
import { netSockets } from '../host/net-sockets.js';
import { ThreadPoolEngine } from '../host/thread-pool.js';
import { type TransferEvents, TransferThread } from '../host/transfer-thread.js';
import { type InflateCall, InflateCalls } from '../image/inflate-calls.js';
import { PoolLoop } from '../loop/pool-loop.js';
import { type Assembly, assemble } from '../plane/assemble.js';
import type { DiskConfig } from '../plane/disk.js';
import { Ending } from '../plane/ending.js';
import { type GroupOrder, type GroupOutcome, obeyGroupOrder } from '../plane/group-orders.js';
import { changeImages, type ImageChange, type ImageOutcome } from '../plane/image-changes.js';
import type { PlaneEvent } from '../plane/messages.js';
import type { Plane } from '../plane/plane.js';
import { EFD_NONBLOCK } from '../sys/constants.js';
import { newEventfd } from '../sys/eventfd.js';
import { close } from '../sys/libc.js';
import { hasBusyThreads } from '../sys/proc.js';
import { describeError } from '../util/errors.js';
import type { MountConfig } from './config.js';
import { InflateThread } from './inflate-thread.js';
import type { Log } from './log.js';
import { NbdReconnect } from './nbd-reconnect.js';
import { notYet, type PlaneRunner } from './plane-thread.js';

/**
 * A reply goes by libfuse's thread, the caller, libfuse's thread and this one before the next transfer
 * comes, each of which has to be woken, where the ring has one wake-up to spin for. On tmpfs at queue
 * depth 1: no spinning 0.8 x the plain handler, 50 us 1.2 x, 200 us 1.6 x.
 */
const HOPS = 4;

/** How long libfuse's threads may take to write the replies that they have, milliseconds. */
const REPLIES_MS = 5000;

/** A data plane on the main thread: fuse-native in front, the thread pool behind. */
export class NativePlane implements PlaneRunner {
  readonly figures = new FigureReader();
  obey = notYet;

  readonly #assembly: Assembly;

  readonly #memory = new Memory();
  readonly #session: NativeSession;
  readonly #inflateCalls = new InflateCalls((call) => void this.#inflate(call));
  readonly #inflater: InflateThread;
  readonly #plane: Plane;
  readonly #loop: PoolLoop;
  readonly #transfers: TransferThread | null;
  readonly #engine: HostEngines<ThreadPoolEngine>;
  #mount: NativeMount | null = null;
  /** Its threads run. */
  readonly #ready: Promise<unknown>;
  readonly #tell: (event: PlaneEvent) => void;
  readonly #ending: Ending;
  /** The eventfd of the watch. */
  #alarm = -1;
  #watch: ConnectionWatch | null = null;

  constructor(
    mount: MountConfig,
    disks: DiskConfig[],
    about: string,
    log: Log,
    tell: (event: PlaneEvent) => void,
  ) {
    this.#tell = tell;
    this.#inflater = new InflateThread(disks);
    const { groups, assignments, depth } = mount;
    const info = (text: string): void => log.info(text);
    const warn = (text: string): void => log.warn(text);
    const completed = (request: number, result: number): void => {
      this.#loop.wake();
      this.#engine.completed(request, result);
    };
    const files = disks.flatMap(({ image }) => image.files);
    const isAnyInMemory = files.some(({ inMemory }) => inMemory);
    const transfers =
      isAnyInMemory || disks.length === 0 ? this.#startTransfers(mount.pollUs) : null;
    this.#transfers = transfers;
    // A thread that does not start tells of it by `failed`.
    this.#ready = Promise.allSettled([this.#inflater.ready, transfers?.ready]);
    const pool = new ThreadPoolEngine(transfers, completed);
    const engine = new HostEngines(pool, {
      ...{ requests: this.#memory.capacity.requests, warn },
      connect: () => this.#connectExports(log, completed),
      completed: (request, result) => this.#plane.completed(request, result),
    });
    const unplug = (): void => {
      pool.unplug();
      engine.unplugExports();
    };
    this.#engine = engine;
    const config = { disks, groups, assignments, depth, about, hidesCallers: true };
    const io = { engine, memory: this.#memory, inflateCalls: this.#inflateCalls };
    const figures = (news: News): void => this.figures.take(news);
    const order = (request: number, text: string): void => void this.#order(request, text);
    this.#assembly = assemble(config, io, { info, warn, figures, order });
    const { plane, tree } = this.#assembly;
    this.#plane = plane;
    this.#session = new NativeSession({
      memory: this.#memory,
      disks: this.#plane,
      tree,
      owner: { uid: process.getuid!(), gid: process.getgid!() },
      pageCache: mount.cache === 'page',
      trace: mount.verbose ? info : null,
    });
    this.#plane.connect(this.#session);
    this.#ending = new Ending(this.#plane, tell);
    this.#loop = new PoolLoop({
      plane: this.#plane,
      session: this.#session,
      engine: { unplug },
      transfers,
      memory: this.#memory,
      afterTurn: () => this.#afterTurn(),
    });
    this.#session.attach(this.#loop, transfers);
  }

  #startTransfers(pollUs: number): TransferThread {
    const events: TransferEvents = {
      told: () => this.#loop.wake(),
      completed: (request, result) => this.#plane.completed(request, result),
      replied: (request) => this.#session.sent(request),
      failed: (error) => this.#tell({ kind: 'crashed', message: describeError(error) }),
    };
    return new TransferThread(events, pollUs * HOPS);
  }

  #connectExports(log: Log, completed: (request: number, result: number) => void): NbdEngine {
    const reconnect = new NbdReconnect(log, (news) => {
      this.#loop.wake();
      exports.told(news);
    });
    const exports = new NbdEngine({
      requests: this.#memory.capacity.requests,
      open: netSockets(() => this.#loop.wake()),
      completed,
      lost: (one, why) => reconnect.lost(one, why),
      left: (one) => reconnect.left(one),
    });
    return exports;
  }

  /** Mounts; see `mountNative`. */
  async mount(request: MountRequest, native: NativePackage): Promise<NativeMount> {
    // What needs a descriptor is there before the mount is: after it a failure would leave it to nobody.
    this.#alarm = newEventfd(EFD_NONBLOCK);
    const mount = await mountNative(request, native, this.#session);
    this.#mount = mount;
    return mount;
  }

  /**
   * From now on it tells that it is ready, and that the mount is gone. The watch runs up to `terminate`:
   * during the last flush nothing else may keep the process alive, for the threads do not.
   */
  watch(): void {
    void this.#ready.then(() => this.#tell({ kind: 'ready' }));
    const gone = (): void => this.#tell({ kind: 'disconnected' });
    this.#watch = new ConnectionWatch(this.#mount!.watched, this.#alarm, gone);
  }

  change(change: ImageChange): Promise<ImageOutcome> {
    const assembly = this.#assembly;
    if (change.kind === 'attach') this.#inflater.expect([change.disk]);
    return new Promise((resolve) => {
      this.#loop.wake();
      changeImages(assembly, change, resolve);
    });
  }

  async order(order: GroupOrder): Promise<GroupOutcome> {
    const { control, controlTree } = this.#assembly;
    this.#loop.wake();
    return obeyGroupOrder(control, controlTree, order);
  }

  async #order(request: number, text: string): Promise<void> {
    const answer = await this.obey(text);
    this.#loop.wake();
    this.#assembly.orders.answered(request, answer);
  }

  release(): void {
    this.#plane.releaseWaiting();
    this.#loop.wake();
  }

  drain(): void {
    this.#ending.drain();
    this.#loop.wake();
  }

  flush(): void {
    this.#loop.wake();
    this.#ending.flush();
  }

  async terminate(): Promise<void> {
    if (this.#plane.requests.count === 0) await this.#repliesLeft();
    this.#watch?.stop();
    this.#transfers?.end();
    this.#engine.removeExports();
    this.#loop.stop();
    if (this.#mount !== null) close(this.#mount.watched);
  }

  /**
   * A thread of libfuse writes a reply some time after it was answered here. If the connection ended
   * before that, the caller would get ECONNABORTED.
   */
  async #repliesLeft(): Promise<void> {
    const limit = performance.now() + REPLIES_MS;
    while (this.#mount !== null && this.#isReplying(this.#mount)) {
      if (isGone(this.#mount.watched) || performance.now() > limit) return;
      await setTimeout(1);
    }
  }

  /** Where the kernel does not say, as in most containers, threads that have something to do may be those. */
  #isReplying({ unanswered }: NativeMount): boolean {
    const count = unanswered();
    return count === null ? hasBusyThreads() : count > this.#session.held;
  }

  #afterTurn(): void {
    this.#watch?.busy();
    this.#mount?.threads?.want(this.#session.held);
    this.#ending.look();
  }

  async #inflate({ request, ...job }: InflateCall): Promise<void> {
    const cluster = await this.#inflater.inflate(job);
    this.#loop.wake();
    this.#inflateCalls.ended(request, cluster);
    this.#plane.completed(request, 0);
  }
}
