import { MessageChannel } from 'node:worker_threads';
import * as abi from '../../src/fuse/abi.js';
import { getU64 } from '../../src/fuse/wire.js';
import { buildDataPlane, type DataPlane } from '../../src/loop/data-plane.js';
import type { DiskConfig } from '../../src/plane/disk.js';
import type { Callers } from '../../src/plane/rules.js';
import { interrupted } from '../../src/server/conclusion.js';
import type { End } from '../../src/server/lifecycle.js';
import type { Mapping } from '../../src/sys/memory.js';
import { exitCodeOf, SluiceError } from '../../src/util/errors.js';
import { Random } from '../exerciser/random.js';
import { callerSteps, close, open } from './callers.js';
import { makeGroup, writeFile } from './control-callers.js';
import { ControlPlane, WakeFile } from './control-plane.js';
import type { Coverage } from './coverage.js';
import { type Disk, drive, type Image, pause, type Steps } from './disks.js';
import { FuseKernel } from './fuse-kernel.js';
import { HostFiles } from './host-files.js';
import { LimitsCheck } from './limits-check.js';
import { LossesCheck } from './losses-check.js';
import { type Disturbance, hostRandom, type SessionPlan } from './plan.js';
import * as body from './requests.js';
import { ask, Gone, type Scene } from './scene.js';
import { SimMemory } from './sim-memory.js';
import { SimRing } from './sim-ring.js';
import { WaitsCheck } from './waits-check.js';
import { Failure, Stopped, type World } from './world.js';

/** Descriptors of the simulated kernel's own files: no real file has them. */
const FUSE = 1_000_000_001;
const WAKE = 1_000_000_002;
/** No run takes longer, nanoseconds. */
const LONGEST_NS = 3600e9;
/** This long after the answer to INIT the daemon is ready, nanoseconds. */
const READY_NS = 10e6;
/** Steps from one id of a request to the next. */
const ID_STEPS = [2, 2048, 8192];
/** How often rules come and go in a session that has some from the start. */
const RULE_MOVES = 10;

/** Exit codes of the daemon, as the manual has them, by the event that has decided the end. */
const EXITS: Readonly<Record<string, (end: End) => number>> = {
  failed: () => 1,
  flushed: ({ wasServing, wasAsked }) => (wasServing ? 0 : wasAsked ? 1 : 4),
  'flush-failed': () => 1,
  crashed: ({ wasServing }) => (wasServing ? 5 : 4),
  abort: ({ wasServing }) => (wasServing ? 5 : 1),
};

/** What a session has left behind. */
export interface Outcome {
  files: HostFiles;
  /** All that was acknowledged is in the files: the end was in order. */
  isFlushed: boolean;
}

/** One mount, from its start to its end, in simulated time. */
export class Session {
  readonly #plan: SessionPlan;
  readonly #seed: number;
  readonly #world: World;
  readonly #coverage: Coverage;
  readonly #images: readonly Image[];
  readonly #configs: readonly DiskConfig[];
  readonly #memory: SimMemory;
  readonly #kernel: FuseKernel;
  readonly #files: HostFiles;
  readonly #wake = new WakeFile();
  readonly #channel = new MessageChannel();
  readonly #control: ControlPlane;
  readonly #random: Random;
  /** For what came to the plan later. */
  readonly #extras: Random;
  /** Rules about callers, and the group of each. */
  readonly #rules = new Map<string, string>();
  readonly #disks: Disk[] = [];
  readonly #killed = new Set<number>();
  readonly #hits = new Set<number>();
  readonly #admitted = new Map<number, number>();
  readonly #losses = new LossesCheck();
  #ring!: SimRing;
  #plane!: DataPlane;
  #limits!: LimitsCheck;
  #callers = 0;
  #isBusy = true;
  #isEnding = false;
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
    mapping: Mapping,
    steps: ((scene: Scene) => Steps) | null = null,
  ) {
    this.#plan = plan;
    this.#seed = seed;
    this.#world = world;
    this.#coverage = coverage;
    this.#images = images;
    this.#configs = configs;
    this.#memory = new SimMemory(plan.capacity, mapping);
    this.#steps = steps;
    this.#random = new Random(seed, 3);
    this.#extras = new Random(seed, 4);
    const step = ID_STEPS[new Random(seed, 5).below(ID_STEPS.length)]!;
    this.#kernel = new FuseKernel(world, coverage, step, (unique) => this.#refuses(unique));
    const randomOf = (operation: number): Random => hostRandom(plan.host, operation);
    const hit = (request: number): void => {
      this.#hits.add(this.#uniqueOf(request));
    };
    this.#files = new HostFiles(world, plan.host, coverage, randomOf, hit);
    const named = images.map(({ plan: { name }, path }) => ({ name, path }));
    const delay = (most: number): number => this.#random.below(most);
    this.#control = new ControlPlane(
      world,
      this.#kernel,
      this.#files,
      this.#channel.port1,
      this.#wake,
      coverage,
      named,
      delay,
      { isBusy: () => this.#isBusy, ready: () => this.#ready() },
    );
  }

  /** Runs from the start to the end. Throws a Failure. */
  run(watched: readonly DiskConfig[]): Outcome {
    const { lifecycle } = this.#control;
    try {
      for (const { image } of watched) this.#files.watch(image.files[0]!.descriptor);
      this.#disturb(true);
      if (lifecycle.state === 'starting') {
        this.#start();
        this.#disturb(false);
        this.#runThread();
      } else this.#control.tell({ kind: 'failed', error: interrupted() });
      while (!this.#control.hasEnded) {
        if (this.#world.stop !== null && this.#isKilled) break;
        if (!this.#world.advance(LONGEST_NS)) {
          throw new Failure(`the daemon does not end: it is ${lifecycle.state}`);
        }
      }
      return this.#judge();
    } finally {
      this.#kernel.disconnect();
      this.#world.clear();
      this.#files.abandon(this.#random);
      this.#channel.port1.close();
    }
  }

  get #isKilled(): boolean {
    return this.#isEnding && (this.#plan.end === 'kill' || this.#plan.end === 'power cut');
  }

  #start(): void {
    const plan = this.#plan;
    this.#ring = new SimRing(this.#world, (descriptor) => {
      if (descriptor === FUSE) return this.#kernel;
      if (descriptor === WAKE) return this.#wake;
      return this.#files.target(descriptor);
    });
    const callers: Callers = {
      processOf: (thread) => (this.#killed.has(thread) ? 0 : thread),
      startOf: (process) => (process > 0 && process < 1000 ? '1' : ''),
      idOf: () => undefined,
      cgroupsOf: (thread) => [`/c${thread % 4}`],
      isBeingKilled: (thread) => this.#killed.has(thread),
    };
    const config = {
      disks: [...this.#configs],
      groups: [],
      assignments: [],
      depth: plan.depth,
      fuse: FUSE,
      wake: WAKE,
      inbox: this.#channel.port2,
      owner: { uid: 0, gid: 0 },
      pollUs: plan.pollUs,
      pageCache: false,
      verbose: false,
      about: 'pid 1\n',
    };
    this.#plane = buildDataPlane(config, {
      ring: this.#ring,
      memory: this.#memory,
      send: this.#control.received,
      now: this.#world.now,
      callers,
    });
    const { throttle, plane } = this.#plane;
    this.#limits = new LimitsCheck(throttle, (request) => {
      const unique = this.#uniqueOf(request);
      this.#admitted.set(unique, (this.#admitted.get(unique) ?? 0) + 1);
    });
    new WaitsCheck(throttle);
    const { endTurn } = plane;
    plane.endTurn = () => {
      endTurn.call(plane);
      if (!plane.isReceiving) this.#checkReleased();
    };
    this.#control.mounted();
    this.#world.schedule(plan.initNs, () => drive(this.#initialise(), () => {}));
  }

  /** Lets the plan's disturbances happen: those before the start of the data plane, or the others. */
  #disturb(isEarly: boolean): void {
    for (const { kind, atNs } of this.#plan.disturbances) {
      if (atNs < 0 !== isEarly) continue;
      this.#isDisturbed = true;
      if (isEarly) this.#happen(kind);
      else this.#world.schedule(atNs, () => this.#happen(kind));
    }
  }

  #happen(kind: Disturbance['kind']): void {
    if (this.#control.hasEnded || this.#isKilled) return;
    this.#coverage.add(`disturbed by ${kind}`);
    if (kind === 'terminate') this.#control.signal(false);
    else if (kind === 'end now') this.#control.signal(true);
    else if (kind === 'unmount') this.#kernel.disconnect();
    else if (kind === 'crash') this.#control.tell({ kind: 'crashed', message: 'a mistake' });
    else this.#world.stop ??= 'crash';
  }

  *#initialise(): Steps {
    try {
      yield* ask(this.#scene, { opcode: abi.INIT, node: 0, body: body.initBody() });
      this.#world.schedule(READY_NS, () => this.#checkReady());
    } catch (error) {
      if (!(error instanceof Gone)) throw error;
    }
  }

  #checkReady(): void {
    const { state } = this.#control.lifecycle;
    if (state !== 'starting' && state !== 'interrupted') return;
    throw new Failure('INIT is answered, and the daemon does not tell that it is ready');
  }

  get #scene(): Scene {
    return {
      world: this.#world,
      kernel: this.#kernel,
      seed: this.#seed,
      disks: this.#disks,
      killed: this.#killed,
      nodes: new Map(),
      hits: this.#hits,
      admissions: (unique) => this.#admitted.get(unique) ?? 0,
      waits: (unique) => this.#limits.waiting.some((one) => this.#uniqueOf(one) === unique),
      excused: (errno, disk) => this.#excused(errno, disk),
      hasLost: ({ image }) => this.#lostAt(image) > 0,
      lostAt: ({ image }) => this.#lostAt(image),
      losses: this.#losses,
    };
  }

  /** Id of a request; those of runs have 32 bits. */
  #uniqueOf(request: number): number {
    return this.#plane.plane.requests.uniqueLow[request]!;
  }

  #refuses(unique: number): boolean {
    const { refusals } = this.#plan.host;
    if (refusals === 0 || !this.#random.oneIn(refusals)) return false;
    this.#coverage.add('reply refused');
    this.#hits.add(unique);
    return true;
  }

  /** An error in a request's own name is no excuse for one of a raw image, where every request is alone. */
  #excused(errno: number, { image }: Disk): boolean {
    const { faults, given } = this.#files;
    if (errno === 0) return faults > 0;
    if (image.isRaw) return false;
    return faults > 0 && (given.has(errno) || errno === 5);
  }

  /** Tick at which an fsync of the host has failed last; 0: none has. */
  #lostAt(image: Image): number {
    const { files } = this.#configs[this.#images.indexOf(image)]!.image;
    return Math.max(...files.map(({ descriptor }) => this.#files.lostAt.get(descriptor) ?? 0));
  }

  /** The thread of the data plane. */
  #runThread(): void {
    try {
      this.#plane.loop.run();
      this.#checkSlots();
      this.#control.threadEnded(null);
    } catch (error) {
      this.#world.stop ??= 'dead';
      if (!(error instanceof Stopped)) throw error;
      if (this.#isKilled) return;
      const isCrash = error.message === 'crash';
      if (isCrash) this.#world.stop = null;
      this.#control.threadEnded(isCrash ? error.message : null);
    }
  }

  #ready(): void {
    drive(this.#prepare(), () => {
      if (!this.#kernel.isConnected) return;
      const scene = this.#scene;
      const all =
        this.#steps === null
          ? this.#plan.callers.map((operations) => callerSteps(scene, operations))
          : [this.#steps(scene)];
      if (this.#rules.size > 0) all.push(this.#moveRules(scene));
      this.#callers = all.length;
      for (const steps of all) drive(steps, () => this.#callerEnded());
      if (all.length === 0) this.#callerEnded();
    });
    if (this.#plan.endNs !== Infinity) {
      this.#world.schedule(this.#plan.endNs, () => this.#beginEnd());
    }
  }

  /** Looks all disks up, opens them, and makes groups with limits. */
  *#prepare(): Steps {
    const scene = this.#scene;
    try {
      for (const config of this.#configs) {
        const name = body.nameBody(`${config.name}.raw`);
        const asked = yield* ask(scene, { opcode: abi.LOOKUP, node: abi.ROOT_ID, body: name });
        const image = this.#images.find(({ plan }) => config.name.split('.')[0] === plan.name)!;
        const { start, length, readOnly } = config;
        const node = getU64(new DataView(asked.payload.buffer), abi.ENTRY_OUT_NODEID);
        const disk = { name: config.name, image, start, length, readOnly, node, handle: 0 };
        yield* open(scene, disk);
        this.#disks.push(disk);
      }
      if (this.#steps === null && this.#disks.length < 5) yield* this.#openAgain(scene);
      for (let group = 0; group < this.#plan.groups; group++) {
        yield* makeGroup(scene, `g${group}`);
        if (this.#random.oneIn(2)) {
          const limit = 100 + this.#random.below(10_000);
          yield* writeFile(scene, `g${group}/io.max`, `iops=${limit}`);
        }
        const disk = this.#disks[this.#random.below(this.#disks.length)]!;
        yield* writeFile(scene, `g${group}/members`, disk.name);
      }
      for (const [index, weight] of (this.#plan.weights ?? []).entries()) {
        yield* makeGroup(scene, `fair${index}`);
        yield* writeFile(scene, `fair${index}/io.weight`, String(weight));
        yield* writeFile(scene, `fair${index}/members`, this.#disks[index]!.name);
      }
      const { groups, weights } = this.#plan;
      if (groups > 0 && weights === null && this.#extras.oneIn(3)) yield* this.#makeRules(scene);
    } catch (error) {
      if (!(error instanceof Gone)) throw error;
    }
  }

  /** Opens some disks a second time: a handle of its own, which is told of failed flushes by itself. */
  *#openAgain(scene: Scene): Steps {
    for (const disk of [...this.#disks]) {
      if (!this.#extras.oneIn(2)) continue;
      const again = { ...disk };
      yield* open(scene, again);
      this.#disks.push(again);
    }
  }

  /** A rule for nearly every caller, so that there are many members. */
  *#makeRules(scene: Scene): Steps {
    const rules = ['gid:0'];
    for (let id = 0; id < 4; id++) rules.push(`uid:${id}`, `cgroup:/c${id}`, `pid:${1 + id}`);
    for (const rule of rules) yield* this.#placeRule(scene, rule);
  }

  *#placeRule(scene: Scene, rule: string): Steps {
    const group = `g${this.#extras.below(Math.min(6, this.#plan.groups))}`;
    this.#rules.set(rule, group);
    yield* writeFile(scene, `${group}/members`, rule);
  }

  /** A caller that removes rules and makes them again, so that their numbers are reused, and sets limits. */
  *#moveRules(scene: Scene): Steps {
    try {
      for (let step = 0; step < RULE_MOVES; step++) {
        yield pause(this.#world, this.#extras.below(20e6));
        const rules = [...this.#rules];
        for (let i = 0; i < 2; i++) {
          const [rule, group] = rules[this.#extras.below(rules.length)]!;
          yield* writeFile(scene, `${group}/members`, `-${rule}`);
          yield* this.#placeRule(scene, rule);
        }
        const group = `g${this.#extras.below(Math.min(6, this.#plan.groups))}`;
        yield* writeFile(scene, `${group}/io.max`, `iops=${50 + this.#extras.below(1000)}`);
      }
    } catch (error) {
      if (!(error instanceof Gone)) throw error;
    }
  }

  #callerEnded(): void {
    if (--this.#callers > 0 || this.#isEnding || !this.#kernel.isConnected) return;
    if (this.#plan.endNs === Infinity) this.#beginEnd();
  }

  #beginEnd(): void {
    if (this.#isEnding || this.#control.hasEnded) return;
    this.#isEnding = true;
    const { end } = this.#plan;
    this.#coverage.add(`end ${end}`);
    if (this.#plan.host.faults > 0 && this.#extras.oneIn(2)) {
      this.#files.failLater(this.#extras.below(16));
    }
    switch (end) {
      case 'umount':
        drive(this.#closeAll(), () => this.#kernel.disconnect());
        break;
      case 'abort':
        this.#kernel.disconnect();
        break;
      case 'kill':
        this.#world.stop = end;
        break;
      case 'power cut':
        this.#cutPower();
        break;
      case 'crash':
        this.#world.stop = 'crash';
        break;
      case 'terminate':
        drive(this.#closeAll(), () => this.#control.signal(false));
        break;
      default:
        this.#control.signal(false);
    }
    if (end === 'terminate twice') {
      this.#world.schedule(this.#random.below([1000, 1e6, 1e9][this.#random.below(3)]!), () =>
        this.#abort(),
      );
    } else if (this.#plan.host.stuck > 0) this.#world.schedule(600e9, () => this.#abort());
  }

  /** The power fails: now, or while images are being flushed. */
  #cutPower(): void {
    const { flushNs, usualNs } = this.#plan.host;
    const isFlushing = this.#extras.oneIn(2) && this.#disks.length > 0;
    for (let stream = 0; isFlushing && stream < 3; stream++) {
      const flush = { kind: 'flush' as const, stream, pauseNs: 0 };
      drive(callerSteps(this.#scene, [flush]), () => {});
    }
    const afterNs = isFlushing ? this.#extras.below(5 * flushNs + 50 * usualNs) : 0;
    this.#world.schedule(afterNs, () => {
      this.#world.stop = 'power cut';
    });
  }

  /** Signals, until it ends at once. */
  #abort(): void {
    for (let i = 0; i < 2 && !this.#control.hasEnded; i++)
      this.#control.tell({ kind: 'terminate' });
  }

  *#closeAll(): Steps {
    try {
      for (const disk of this.#disks) yield* close(this.#scene, disk);
      this.#isBusy = false;
    } catch (error) {
      if (!(error instanceof Gone)) throw error;
    }
  }

  /** Checks what is left of the session. */
  #judge(): Outcome {
    for (const image of this.#images) image.reset();
    const { conclusion } = this.#control;
    const files = this.#files;
    if (conclusion === null) return { files, isFlushed: false };
    const code = exitCodeOf(conclusion.error);
    const { end } = this.#control.lifecycle;
    const { cause } = end;
    const message = conclusion.error instanceof SluiceError ? conclusion.error.message : '';
    this.#coverage.add(`exit ${code} ${cause.kind}`);
    const wanted = EXITS[cause.kind]?.(end);
    if (code !== wanted)
      throw new Failure(`${cause.kind}: exit ${code}, not ${wanted}: ${message}`);
    const isInOrder = cause.kind === 'flushed';
    const mayCrash = this.#isDisturbed || this.#plan.end === 'crash';
    if (cause.kind === 'crashed' && !mayCrash) throw new Failure(cause.message);
    if (cause.kind === 'flush-failed' && files.faults === 0) throw new Failure(message);
    if (this.#plan.weights !== null && isInOrder) {
      this.#coverage.add('shares checked');
      this.#limits.checkShares(this.#plan.weights);
    }
    if (cause.kind === 'flushed' || cause.kind === 'flush-failed') {
      this.#checkEmpty();
      for (const image of this.#images) {
        if (this.#plan.readOnly || this.#lostAt(image) === 0 || message.includes(image.path))
          continue;
        throw new Failure(`${image.plan.name} lost data, and the end does not say so: ${message}`);
      }
    }
    return { files, isFlushed: cause.kind === 'flushed' };
  }

  /** After the drain no limit holds a request back. */
  #checkReleased(): void {
    const { throttle } = this.#plane;
    const { queued, inflight } = throttle.groupStats(throttle.root);
    if (queued === 0 || inflight >= throttle.depth) return;
    throw new Failure(`${queued} requests wait, although the mount is being drained`);
  }

  /** The thread has ended: all slots are free but those of receives. */
  #checkSlots(): void {
    const kept = this.#memory.taken - this.#kernel.receives - this.#ring.unseen;
    if (kept > 0) throw new Failure(`${kept} slots stay taken`);
  }

  /** Everything has been given back. */
  #checkEmpty(): void {
    const { plane, throttle } = this.#plane;
    const { requests } = plane;
    if (requests.count !== 0) throw new Failure(`${requests.count} requests stay behind`);
    if (plane.pooled !== 0) throw new Failure(`${plane.pooled} places of the pool stay taken`);
    if (plane.inFlight !== 0) throw new Failure(`${plane.inFlight} requests stay in flight`);
    const { rios, wios, dios, rbytes, wbytes, dbytes, queued, inflight } = throttle.groupStats(
      throttle.root,
    );
    const { reads, writes, discards, bytes } = this.#limits.counts;
    const isRight =
      rios === reads &&
      wios === writes &&
      dios === discards &&
      rbytes + wbytes + dbytes === bytes &&
      queued + inflight === 0;
    if (isRight) return;
    const counted = `${rios} ${wios} ${dios} ${rbytes + wbytes + dbytes} ${queued} ${inflight}`;
    throw new Failure(`counted ${counted}, admitted ${reads} ${writes} ${discards} ${bytes}`);
  }
}
