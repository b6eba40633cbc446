import * as abi from '../../src/fuse/abi.js';
import type { DiskConfig } from '../../src/plane/disk.js';
import { interrupted } from '../../src/server/conclusion.js';
import type { ImageOrder } from '../../src/server/image-order.js';
import type { Mapping } from '../../src/sys/memory.js';
import { Random } from '../exerciser/random.js';
import { Blame } from './blame.js';
import { callerSteps } from './callers.js';
import type { Coverage } from './coverage.js';
import type { Daemon } from './daemon.js';
import { Daemons } from './daemons.js';
import { type Disk, drive, type Image, Stay, type Steps } from './disks.js';
import { judgeEnd } from './end-check.js';
import { FuseKernel } from './fuse-kernel.js';
import { HostFiles } from './host-files.js';
import { hostRandom, isQuiet } from './host-plan.js';
import { descriptorsOf, type Opened } from './image-orders.js';
import { LimitsCheck } from './limits-check.js';
import { LossesCheck } from './losses-check.js';
import { NbdHosts } from './nbd-hosts.js';
import { Occasions } from './occasions.js';
import type { Disturbance, SessionPlan } from './plan.js';
import { Preparation } from './preparation.js';
import * as body from './requests.js';
import { ask, diedError, Gone, type Scene } from './scene.js';
import { SessionEnd } from './session-end.js';
import { SimMappings } from './sim-mappings.js';
import { WaitsCheck } from './waits-check.js';
import { Failure, type World } from './world.js';

/** This long after the answer to INIT the daemon is ready, nanoseconds. */
const READY_NS = 10e6;
/** Steps from one id of a request to the next. */
const ID_STEPS = [2, 2048, 8192];

/** What a session has left behind. */
export interface Outcome {
  files: HostFiles;
  /** All that was acknowledged is in the files: the end was in order. */
  isFlushed: boolean;
  /** The server of an image lacks writes that were answered, and not flushed. */
  lacksWrites(image: Image): boolean;
}

/** One mount, from its start to its end, in simulated time. */
export class Session {
  readonly #plan: SessionPlan;
  readonly #seed: number;
  readonly #world: World;
  readonly #coverage: Coverage;
  readonly #images: readonly Image[];
  /** Of whole images in their order, then of views. */
  readonly #configs: readonly DiskConfig[];
  readonly #blame: Blame;
  /** Servers of images; null: all are files. */
  readonly #remote: NbdHosts | null;
  /** Requests that got an error of a server. */
  readonly #explained = new Set<number>();
  readonly #daemons: Daemons;
  readonly #mappings: SimMappings;
  readonly #kernel: FuseKernel;
  readonly #files: HostFiles;
  readonly #random: Random;
  /** For what came to the plan later. */
  readonly #extras: Random;
  readonly #orderRandom: Random;
  readonly #preparation: Preparation;
  readonly #disks: Disk[] = [];
  readonly #killed = new Set<number>();
  readonly #hits = new Set<number>();
  readonly #admitted = new Map<number, number>();
  readonly #losses = new LossesCheck();
  readonly #end: SessionEnd;
  readonly #occasions: Occasions;
  #limits!: LimitsCheck;
  #waits!: WaitsCheck;
  #callers = 0;
  /** Of daemons. */
  #deaths = 0;
  /** Who waits for the answer to an order. */
  readonly #orders = new Set<(error: unknown) => void>();
  #isDisturbed = false;
  /** Instead of the plan's callers. */
  readonly #steps: ((scene: Scene) => Steps) | null;

  constructor(
    plan: SessionPlan,
    seed: number,
    world: World,
    coverage: Coverage,
    images: readonly Image[],
    configs: readonly DiskConfig[],
    opened: Opened,
    mapping: Mapping,
    steps: ((scene: Scene) => Steps) | null = null,
  ) {
    this.#plan = plan;
    this.#seed = seed;
    this.#world = world;
    this.#coverage = coverage;
    this.#images = images;
    this.#configs = configs;
    this.#mappings = new SimMappings(new Random(seed, 12), coverage);
    this.#steps = steps;
    this.#random = new Random(seed, 3);
    this.#extras = new Random(seed, 4);
    this.#orderRandom = new Random(seed, 9);
    const opensAgain = steps === null;
    const own = { plan, images, configs, opensAgain, random: this.#random, extras: this.#extras };
    this.#preparation = new Preparation(own);
    const step = ID_STEPS[new Random(seed, 5).below(ID_STEPS.length)]!;
    const refuses = (unique: number): boolean => this.#refuses(unique);
    this.#kernel = new FuseKernel(world, coverage, step, plan.queues, refuses);
    const randomOf = (operation: number): Random => hostRandom(plan.host, operation);
    const hit = (request: number): void => {
      this.#hits.add(this.#uniqueOf(request));
    };
    this.#files = new HostFiles(world, plan.host, coverage, randomOf, hit);
    this.#remote = this.#makeRemote();
    this.#blame = new Blame(this.#files, this.#remote);
    const now = world.tick();
    for (const [index, image] of images.entries()) {
      const { readOnly } = configs[index]!;
      image.stay = plan.late.includes(index) ? null : new Stay(now, readOnly);
      if (image.stay !== null) this.#files.opened(image.plan.name, descriptorsOf(configs[index]!));
    }
    const common = { plan, world, coverage, kernel: this.#kernel, files: this.#files, images };
    this.#daemons = new Daemons({
      home: {
        ...{ ...common, remote: this.#remote, mappings: this.#mappings, killed: this.#killed },
        isKilled: () => this.#end.isKilled || this.#daemons.isLost,
        random: new Random(seed, 15),
        delay: (most) => this.#random.below(most),
        orderDelay: (most) => this.#orderRandom.below(most),
      },
      ...{ opened, memory: mapping, random: new Random(seed, 14) },
      isBusy: () => this.#end.isBusy,
      died: (daemon) => this.#died(daemon),
      isOrdered: () => this.#orders.size > 0,
      isToEnd: () => this.#end.hasBegun && plan.end === 'crash',
      ready: () => this.#ready(),
      wentOn: () => this.#waits.wentOn(),
      changed: (daemon, hasDied) => this.#changed(daemon, hasDied),
    });
    this.#occasions = new Occasions(plan, world, this.#kernel, this.#daemons);
    this.#end = new SessionEnd({
      ...{ plan, world, coverage, control: () => this.#daemon.control, kernel: this.#kernel },
      ...{ files: this.#files, random: this.#random, extras: this.#extras },
      signal: (now) => this.#daemons.signal(now),
      scene: () => this.#scene,
    });
  }

  /** The daemon that has the mount. */
  get #daemon(): Daemon {
    return this.#daemons.current;
  }

  #makeRemote(): NbdHosts | null {
    const { remote, host, capacity } = this.#plan;
    if (remote === null) return null;
    return new NbdHosts({
      ...{ world: this.#world, coverage: this.#coverage, files: this.#files },
      ...{ plan: remote, host, requests: capacity.requests },
      random: new Random(this.#seed, 13),
      tell: (news) => this.#daemon.control.tellOfServer(news),
      explain: (request) => void this.#explained.add(this.#uniqueOf(request)),
    });
  }

  /** Runs from the start to the end. Throws a Failure. */
  run(watched: readonly Image[]): Outcome {
    const { control } = this.#daemon;
    try {
      const remote = this.#plan.remote?.images ?? [];
      const names = [...watched.map(({ plan }) => plan.name), ...remote];
      for (const name of new Set(names)) this.#files.watch(name);
      this.#disturb(true);
      if (control.lifecycle.state === 'starting') {
        this.#start();
        this.#disturb(false);
        this.#daemons.serve();
      } else {
        control.tell({ kind: 'failed', error: interrupted() });
        this.#daemons.wait();
      }
      if (this.#world.failure !== null) throw this.#world.failure;
      return this.#judge();
    } finally {
      this.#kernel.disconnect();
      this.#world.clear();
      this.#remote?.abandon();
      this.#files.abandon(this.#random);
      this.#daemons.close();
      this.#mappings.release();
    }
  }

  #start(): void {
    this.#daemons.start(this.#present);
    const { throttle } = this.#daemon.plane;
    this.#limits = new LimitsCheck(throttle, (request) => {
      const unique = this.#uniqueOf(request);
      this.#admitted.set(unique, (this.#admitted.get(unique) ?? 0) + 1);
      return unique;
    });
    this.#waits = new WaitsCheck(throttle, null);
    this.#daemon.control.mounted();
    this.#daemons.keep();
    this.#occasions.came('start');
    this.#world.schedule(this.#plan.initNs, () => drive(this.#initialise(), () => {}));
  }

  /** What is not answered comes again, to another daemon or to none. */
  #died({ death }: Daemon): void {
    this.#blame.died(death.keptAt, this.#world.tick());
    this.#limits?.died((unique) => this.#kernel.isWaiting(unique));
    for (const own of [this.#admitted, this.#hits]) {
      for (const unique of own.keys()) if (this.#kernel.isWaiting(unique)) own.delete(unique);
    }
    for (const answered of this.#orders) answered(diedError());
    this.#orders.clear();
    this.#deaths++;
  }

  /** A new daemon goes on: what was let go counts, and what groups owe they owe. */
  #changed({ plane: { throttle } }: Daemon, hasDied: boolean): void {
    this.#limits.goOn(throttle);
    this.#waits = new WaitsCheck(throttle, this.#waits);
    if (!hasDied) return;
    this.#limits.countAnew(throttle);
    this.#waits.died();
  }

  /** Those of images that are there from the start. */
  get #present(): DiskConfig[] {
    const late = this.#plan.late.map((index) => this.#images[index]!.plan.name);
    const present = this.#configs.filter(({ name }) => !late.includes(name));
    return present.map((disk) => this.#remote?.serve(disk) ?? disk);
  }

  /** Lets the plan's disturbances happen: those before the start of the data plane, or the others. */
  #disturb(isEarly: boolean): void {
    for (const { kind, atNs } of this.#plan.disturbances) {
      if (atNs < 0 === isEarly) this.#isDisturbed = true;
      if (atNs < 0 && isEarly) this.#happen(kind);
      else if (atNs >= 0 && !isEarly) this.#world.schedule(atNs, () => this.#happen(kind));
    }
  }

  #happen(kind: Disturbance['kind']): void {
    if (this.#daemon.control.hasEnded || this.#daemon.isDead || this.#end.isKilled) return;
    this.#coverage.add(`disturbed by ${kind}`);
    if (kind === 'terminate') this.#end.terminate();
    else if (kind === 'end now') this.#daemons.signal(true);
    else if (kind === 'unmount') this.#kernel.disconnect();
    else if (kind === 'crash') this.#daemon.control.tell({ kind: 'crashed', message: 'a mistake' });
    else this.#world.stop ??= 'crash';
  }

  *#initialise(): Steps {
    try {
      yield* ask(this.#scene, { opcode: abi.INIT, node: 0, body: body.initBody() });
      this.#world.schedule(READY_NS, this.#checkReady.bind(this, this.#daemon));
    } catch (error) {
      if (!(error instanceof Gone)) throw error;
    }
  }

  #checkReady(daemon: Daemon): void {
    const { state } = daemon.control.lifecycle;
    if (daemon.isDead || daemon !== this.#daemon) return;
    if (!['starting', 'interrupted'].includes(state)) return;
    throw new Failure('INIT is answered, and the daemon does not tell that it is ready');
  }

  get #scene(): Scene {
    return {
      world: this.#world,
      kernel: this.#kernel,
      seed: this.#seed,
      disks: this.#disks,
      images: this.#images,
      configOf: (image) => this.#configs[this.#images.indexOf(image)]!,
      readOnly: this.#plan.readOnly,
      groups: this.#plan.groups,
      order: (order, answered) => this.#order(order, answered),
      configFile: this.#daemon.control.configFile,
      isQuiet: isQuiet(this.#plan.host) && this.#remote === null,
      hasGiven: (errno) => this.#files.given.has(errno),
      isPlain: this.#plan.host.plain,
      lacksMemory: this.#mappings.lacksMemory,
      checkGone: () => this.#checkGone(),
      killed: this.#killed,
      nodes: new Map(),
      hits: this.#hits,
      explained: this.#explained,
      isRemote: ({ image }) => this.#remote?.isRemote(image.plan.name) === true,
      admissions: (unique) => this.#admitted.get(unique) ?? 0,
      handsOver: this.#plan.handOvers.length > 0,
      changes: () => this.#occasions.changes(),
      deaths: () => this.#deaths,
      // While a data plane is still, it looks at nobody's signals.
      waits: (unique) =>
        !this.#daemon.control.isHandingOver &&
        this.#limits.waiting.some((one) => this.#uniqueOf(one) === unique),
      excused: (errno, disk) => this.#blame.excused(errno, disk),
      hasLost: ({ image }) => this.#blame.lostAt(image) > 0,
      toTellAt: ({ image }) => this.#blame.toTellAt(image),
      losses: this.#losses,
      failSoon: (count) => {
        if (this.#plan.host.faults > 0) this.#files.failLater(count);
      },
      slowRead: ({ plan }) => this.#files.slowRead(plan.name),
    };
  }

  /** Id of a request; those of runs have 32 bits. */
  #uniqueOf(request: number): number {
    return this.#daemon.plane.plane.requests.uniqueLow[request]!;
  }

  #refuses(unique: number): boolean {
    const { refusals } = this.#plan.host;
    if (refusals === 0 || !this.#random.oneIn(refusals)) return false;
    this.#coverage.add('reply refused');
    this.#hits.add(unique);
    return true;
  }

  #order(order: ImageOrder, answered: (error: unknown) => void): void {
    const later = (error: unknown): void => {
      if (this.#orders.delete(later)) this.#world.schedule(0, () => answered(error));
    };
    this.#orders.add(later);
    if (this.#daemon.isDead) later(diedError());
    else this.#daemon.orders.obey(order, () => {}).then(() => later(null), later);
    this.#world.settle();
  }

  /** The ring has the files of images that are there, besides /dev/fuse and the eventfd. */
  #checkGone(): void {
    // The last flush takes all files from the ring; an order that was carried out may not be answered yet.
    if (this.#daemon.control.lifecycle.state !== 'serving') return;
    if (this.#images.filter(({ isOrdered }) => isOrdered).length > 1) return;
    const there = this.#images.filter(({ stay }) => stay !== null);
    const sockets = this.#remote?.inRing ?? 0;
    const wanted = there.reduce((sum, image) => sum + this.#filesOf(image).length, 2 + sockets);
    const { ring, kept } = this.#daemon;
    const files = ring.files - (kept === null ? 0 : 1);
    if (files !== wanted) throw new Failure(`the ring has ${files} files, not ${wanted}`);
  }

  #filesOf(image: Image): number[] {
    if (this.#remote?.isRemote(image.plan.name) === true) return [];
    return descriptorsOf(this.#configs[this.#images.indexOf(image)]!);
  }

  #ready(): void {
    const scene = this.#scene;
    drive(this.#preparation.prepare(scene), () => {
      if (!this.#kernel.isConnected) return;
      const all =
        this.#steps === null
          ? this.#plan.callers.map((operations) => callerSteps(scene, operations))
          : [this.#steps(scene)];
      if (this.#preparation.hasRules) all.push(this.#preparation.moveRules(scene));
      this.#callers = all.length;
      this.#occasions.awaitRequests();
      for (const steps of all) drive(steps, () => this.#callerEnded());
      if (all.length === 0) this.#callerEnded();
    });
    if (this.#plan.endNs !== Infinity) {
      this.#world.schedule(this.#plan.endNs, () => this.#beginEnd());
    }
  }

  #beginEnd(): void {
    this.#occasions.came('end');
    this.#end.begin();
  }

  #callerEnded(): void {
    if (--this.#callers > 0 || this.#end.hasBegun || !this.#kernel.isConnected) return;
    if (this.#plan.endNs === Infinity) this.#beginEnd();
  }

  /** Checks what is left of the session. */
  #judge(): Outcome {
    for (const image of this.#images) image.reset();
    const facts = { plan: this.#plan, images: this.#images, files: this.#files };
    const isFlushed = judgeEnd({
      ...{ ...facts, blame: this.#blame, coverage: this.#coverage, control: this.#daemon.control },
      ...{ plane: this.#daemon.plane, limits: this.#limits, isDisturbed: this.#isDisturbed },
    });
    const lacksWrites = ({ plan: { name } }: Image): boolean =>
      this.#remote?.lacksWrites(name) === true;
    return { files: this.#files, isFlushed, lacksWrites };
  }
}
