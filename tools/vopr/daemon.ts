import { MessageChannel } from 'node:worker_threads';
import { groupsNow } from '../../src/control/groups-now.js';
import { buildDataPlane, type DataPlane } from '../../src/loop/data-plane.js';
import { Outbox } from '../../src/loop/outbox.js';
import type { DiskConfig } from '../../src/plane/disk.js';
import { HandOver } from '../../src/server/hand-over.js';
import type { ImageOrders } from '../../src/server/image-orders.js';
import type { OpenImages } from '../../src/server/open-images.js';
import type { Successor } from '../../src/server/successor.js';
import type { Mapping } from '../../src/sys/memory.js';
import type { Random } from '../exerciser/random.js';
import { ControlPlane, type Surroundings } from './control-plane.js';
import type { Coverage } from './coverage.js';
import { Death } from './death.js';
import type { Image } from './disks.js';
import { checkOpens, checkReleased, checkSlots } from './end-check.js';
import type { FuseKernel } from './fuse-kernel.js';
import type { HostFiles } from './host-files.js';
import {
  type Connected,
  descriptorsOf,
  discard,
  imageOrders,
  type Opened,
} from './image-orders.js';
import { type KeptMount, SimKeeper } from './keepers.js';
import type { NbdHosts } from './nbd-hosts.js';
import type { SessionPlan } from './plan.js';
import { FUSE, type Given, GUARD, planeConfig, simulatedCallers, WAKE } from './plane-config.js';
import type { SimMappings } from './sim-mappings.js';
import { SimMemory } from './sim-memory.js';
import { SimPages } from './sim-pages.js';
import { type RingTarget, SimRing } from './sim-ring.js';
import { WakeFile } from './wake-file.js';
import { Stopped, type World } from './world.js';

/** A file of which nothing is asked. */
const NOTHING: RingTarget = { start() {} };
const QUIET = { info() {}, warn() {}, error() {} };

/** What a daemon is part of, the same for all daemons of a session. */
export interface DaemonHome {
  plan: SessionPlan;
  world: World;
  coverage: Coverage;
  kernel: FuseKernel;
  files: HostFiles;
  images: readonly Image[];
  /** Servers of images; null: all are files. */
  remote: NbdHosts | null;
  mappings: SimMappings;
  killed: ReadonlySet<number>;
  /** For deaths. */
  random: Random;
  around: Surroundings;
  /** The process is killed, or its machine has lost its power. */
  isKilled(): boolean;
  /** How long things take: of the main thread, and of orders. */
  delay(most: number): number;
  orderDelay(most: number): number;
  /** What a keeper has; null: no daemon of the mount is to go on after the death of another one. */
  newKeptMount(): KeptMount | null;
  /** A daemon is there that may go on. */
  built(daemon: Daemon): void;
  /** A process has died. */
  died(daemon: Daemon): void;
  /** The process that is to go on in place of a daemon. */
  succeed(daemon: Daemon, descriptors: readonly number[]): Pick<Successor, keyof Successor>;
}

/** What one daemon begins with. */
export interface DaemonStart {
  opened: Opened;
  memory: Mapping;
  /** Of the daemon whose place it takes; null: it makes the mount. */
  before:
    | (Pick<Connected, 'config'> & { asRead: Connected['config'] } & Pick<
          ControlPlane,
          'configFile'
        >)
    | null;
  /** Null: there is no keeper. */
  kept: KeptMount | null;
}

/** One process: its main thread, and the thread of its data plane. */
export class Daemon {
  readonly control: ControlPlane;
  readonly orders: ImageOrders;
  /** Null: the mount does not go from process to process. */
  readonly handOver: HandOver | null;
  readonly opened: Opened;
  readonly memory: SimMemory;
  readonly death: Death;
  readonly kept: KeptMount | null;
  isDead = false;
  /** Another daemon has the mount: to nobody it matters what becomes of this one. */
  #isFollowed = false;
  ring!: SimRing;
  plane!: DataPlane;
  readonly #home: DaemonHome;
  readonly #pages: SimPages;
  readonly #wake = new WakeFile();
  readonly #channel = new MessageChannel();
  readonly #outbox: Outbox;

  constructor(home: DaemonHome, { opened, memory, before, kept }: DaemonStart) {
    this.#home = home;
    this.kept = kept;
    this.death = new Death(
      home.world,
      home.coverage,
      () => this.die(),
      // A daemon that makes the mount knows what it has itself.
      before === null ? null : (state) => checkOpens(home.kernel, state),
    );
    this.opened = opened;
    const { plan, world, kernel, files, coverage, remote } = home;
    this.#pages = new SimPages(plan, kept !== null);
    this.memory = new SimMemory(plan.capacity, memory);
    const named = home.images.map(({ plan: { name }, path }) => ({ name, path }));
    this.control = new ControlPlane(
      world,
      kernel,
      files,
      this.#channel.port1,
      this.#wake,
      coverage,
      named,
      home.delay,
      home.around,
    );
    this.#outbox = new Outbox((messages) => messages.forEach(this.control.received));
    if (before !== null) this.control.configFile = before.configFile;
    const isFaulty = plan.host.faults > 0;
    const serve = (disk: DiskConfig): DiskConfig => remote?.serve(disk) ?? disk;
    const served = { ...opened, serve };
    const { control } = this;
    const connected = imageOrders(
      served,
      control,
      files,
      isFaulty,
      home.orderDelay,
      before,
      kept !== null,
    );
    this.orders = connected.orders;
    this.control.obey = this.orders.take;
    this.control.network = remote;
    const goesOn = plan.handOvers.length + plan.deaths.length > 0;
    this.handOver = goesOn ? this.#makeHandOver(connected) : null;
    this.control.handOver = this.handOver;
    this.control.dies = () => this.die();
  }

  #makeHandOver({ config, orders, reload }: Connected): HandOver {
    const { control, opened, kept } = this;
    const { plan, succeed, delay } = this.#home;
    const { lifecycle } = control;
    return new HandOver({
      ...{ config, orders, reload, images: opened.images, plane: control, log: QUIET },
      mount: { fd: FUSE, byFusermount: false },
      transport: plan.queues > 0 ? 'fuse-uring' : 'uring',
      record: { fd: -1, passTo() {} },
      keeper: kept === null ? null : new SimKeeper(kept, control, delay),
      manager: { isThere: true, passTo() {} },
      tell: (event) => control.tell(event),
      isServing: () => lifecycle.state === 'serving',
      isHandingOver: () => lifecycle.state === 'handing-over',
      around: {
        start: (descriptors) => succeed(this, descriptors),
        after: (ms, event) => control.after(ms * 1e6, event),
      },
    });
  }

  get images(): OpenImages {
    return this.opened.images;
  }

  /** The groups that it has, with their limits and members. */
  showGroups(): string {
    // What changes is told with the next message, and nothing else need come of it.
    this.#outbox.post();
    const { depthMode: depth, costModel: cost } = this.plane.throttle;
    const names = new Set(this.images.disks.map(({ name }) => name));
    const now = groupsNow(this.control.figures, { depth, cost }, names);
    const texts = [...now.groups, ...now.assignments].map((one) => JSON.stringify(one));
    return [depth, ...texts.sort()].join(' ');
  }

  /** Builds the data plane. */
  build(disks: readonly DiskConfig[], given?: Given): void {
    const { plan, world, kernel, files, remote, killed, mappings } = this.#home;
    const targetOf = (descriptor: number): RingTarget => {
      if (descriptor === FUSE) return kernel;
      if (descriptor === WAKE) return this.#wake;
      if (descriptor === GUARD) return NOTHING;
      return remote?.target(descriptor) ?? files.target(descriptor);
    };
    this.ring = new SimRing(world, targetOf, this.death.submitting);
    const keep = this.kept?.config;
    const config = planeConfig(plan, disks, this.#channel.port2, { ...given, keep });
    this.plane = buildDataPlane(config, {
      ...{ ring: this.ring, memory: this.memory },
      ...(plan.queues > 0 ? { commands: this.ring } : {}),
      ...{ outbox: this.#outbox, now: world.now, monotonicNs: () => world.nowNs },
      callers: simulatedCallers(killed),
      writeState: this.death.writeState,
      newMappings: mappings.forImage,
      mapped: this.#pages.mapped,
      ...(remote === null ? {} : { socketCalls: remote.calls }),
    });
    mappings.isMounted = true;
    const { throttle, plane } = this.plane;
    const { endTurn } = plane;
    plane.endTurn = () => {
      endTurn.call(plane);
      if (!plane.isReceiving) checkReleased(throttle);
    };
  }

  /** The thread of the data plane. */
  runThread(): void {
    const { world, kernel, isKilled } = this.#home;
    try {
      this.plane.loop.run();
      this.#outbox.post();
      checkSlots(this.memory.taken - kernel.slots - this.ring.unseen);
      this.control.threadEnded(null);
    } catch (error) {
      world.stop ??= 'dead';
      if (!(error instanceof Stopped)) throw error;
      if (isKilled() || this.isDead) return;
      const isCrash = error.message === 'crash';
      if (isCrash) world.stop = null;
      this.control.threadEnded(isCrash ? error.message : null);
    }
  }

  /** The process ends where it is. */
  die(): void {
    const { world, files, kernel, died, coverage } = this.#home;
    if (this.isDead || this.control.hasEnded || this.#isFollowed) return;
    this.isDead = true;
    coverage.add(`death while ${this.control.lifecycle.state}`);
    if (this.control.changesImages) coverage.add('death while images change');
    for (const state of this.#requestStates) coverage.add(`death with requests ${state}`);
    this.control.die();
    world.stop = 'death';
    kernel.leave();
    // A mapping keeps its file open, and so locked.
    this.#pages.release();
    files.died(this.#home.random);
    discard(files, this.images);
    died(this);
  }

  get #requestStates(): Set<string> {
    const { state, capacity } = this.plane.plane.requests;
    const names = [
      '',
      '',
      'waiting',
      'late',
      'locked',
      'linked',
      'in flight',
      'in tasks',
      'replied',
    ];
    return new Set(
      names.filter((name, at) => name !== '' && state.subarray(0, capacity).includes(at)),
    );
  }

  /** Another daemon has the mount: this one closes its files, and its ring has no receive any more. */
  letGo(files: HostFiles): void {
    this.#isFollowed = true;
    this.#pages.release();
    for (const disk of this.images.disks) files.left(descriptorsOf(disk));
    this.images.unlockOwn();
    this.images.close();
    this.#home.kernel.leave();
  }

  /** Nobody uses it any more. */
  close(): void {
    this.#pages.release();
    this.#channel.port1.close();
  }
}
