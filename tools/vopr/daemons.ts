import type { DiskConfig } from '../../src/plane/disk.js';
import { FAILED_STARTS } from '../../src/server/keeper.js';
import type { Handed } from '../../src/server/successor.js';
import type { Mapping } from '../../src/sys/memory.js';
import { SluiceError } from '../../src/util/errors.js';
import type { Random } from '../exerciser/random.js';
import { Daemon, type DaemonHome } from './daemon.js';
import type { DeathPlan } from './death.js';
import { type HandOverPlan, isExplained, SimSuccessor } from './hand-overs.js';
import { discard, type Opened } from './image-orders.js';
import { KeptMount } from './keepers.js';
import { nextDaemon } from './next-daemon.js';
import { spareMemory } from './sim-memory.js';
import { Failure } from './world.js';

/** No run takes longer, nanoseconds. */
const LONGEST_NS = 3600e9;
/** How often a signal is sent again while no process is there that could take it, nanoseconds. */
const AGAIN_NS = 1e6;
/** From the end of a daemon to the next one that prepares, and how long that takes at most, nanoseconds. */
const RESTART_NS = 100e6;
const RESTARTS_NS = 400e6;
/** The order in which a daemon that goes on may get a signal of before, nanoseconds. */
const SIGNAL_NS = 50e6;

/** What the daemons of a session need. */
export interface DaemonsParts {
  home: Omit<DaemonHome, 'around' | 'succeed' | 'newKeptMount' | 'died' | 'built'>;
  opened: Opened;
  memory: Mapping;
  /** For hand-overs. */
  random: Random;
  isBusy(): boolean;
  /** The files can be used. */
  ready(): void;
  /** The data plane was held, and goes on. */
  wentOn(): void;
  /** Another daemon has the mount now. */
  changed(daemon: Daemon, hasDied: boolean): void;
  /** The daemon that has the mount is dead. */
  died(daemon: Daemon): void;
  /** An order is not answered. */
  isOrdered(): boolean;
  /** The end of the session has begun by the end of a daemon, and another one has followed it. */
  isToEnd(): boolean;
}

/** The daemons of a mount, one after the other. */
export class Daemons {
  /** That which has the mount. */
  current: Daemon;
  readonly #parts: DaemonsParts;
  readonly #all: Daemon[];
  /** The hand-over that was asked for last. */
  #plan: HandOverPlan | null = null;
  /** Those that were to go on in the place of another one. */
  readonly #built: Daemon[] = [];
  readonly #kept: KeptMount[] = [];
  /** The process that is to follow, if there is a hand-over. */
  #next: SimSuccessor | null = null;
  /** Daemons that the keeper has started since the death, and that came to nothing. */
  #failedStarts = 0;
  /** The death that was asked for last. */
  #death: DeathPlan | null = null;
  /** The groups of the daemon that has died last; null: it is not certain which of them the next one has. */
  #groups: string | null = null;
  /** No daemon serves the mount any more, or will. */
  isLost = false;
  /** The files can be used: at first, and when a new daemon has gone on. */
  #ready: () => void;
  #hasBegun = false;

  constructor(parts: DaemonsParts) {
    this.#parts = parts;
    this.#ready = () => this.#begin();
    const home = {
      ...parts.home,
      around: { isBusy: parts.isBusy, ready: () => this.#ready(), wentOn: parts.wentOn },
      succeed: (daemon: Daemon, descriptors: readonly number[]) =>
        this.#successor(home, daemon, descriptors),
      built: (daemon: Daemon) => void this.#built.push(daemon),
      newKeptMount: () => this.#newKeptMount(),
      died: (daemon: Daemon) => this.#died(home, daemon),
    };
    const { opened, memory } = parts;
    const kept = this.#newKeptMount();
    this.current = new Daemon(home, { opened, memory, before: null, kept });
    this.#all = [this.current];
  }

  #newKeptMount(): KeptMount | null {
    if (this.#parts.home.plan.deaths.length === 0) return null;
    const kept = new KeptMount();
    this.#kept.push(kept);
    return kept;
  }

  /** The files can be used for the first time. A daemon that has died may have been about to tell it. */
  #begin(): void {
    if (this.#hasBegun) return;
    this.#hasBegun = true;
    this.#parts.ready();
  }

  /** Builds the data plane of the first one. */
  start(disks: readonly DiskConfig[]): void {
    this.current.build(disks);
  }

  /** It is mounted. */
  keep(): void {
    void this.current.handOver?.keep();
    this.#parts.home.world.settle();
  }

  /** Runs the thread of each data plane, and waits for the end of the last daemon, or for its death. */
  serve(): void {
    const { world, isKilled } = this.#parts.home;
    for (;;) {
      const { current } = this;
      current.runThread();
      // Another one may have the mount since the thread's last sleep.
      if (this.current === current) this.wait();
      if (current === this.current || isKilled()) return;
      // A crash that came while no thread ran is for the next one.
      if (world.stop !== 'crash') world.stop = null;
    }
  }

  /** Up to the end of the daemon, or until another one has the mount. */
  wait(): void {
    const { world, isKilled } = this.#parts.home;
    const { current } = this;
    const { control } = current;
    while (this.current === current && !control.hasEnded) {
      if (world.stop !== null && isKilled()) return;
      if (world.advance(LONGEST_NS)) continue;
      throw new Failure(`the daemon does not end: it is ${control.lifecycle.state}`);
    }
  }

  /** A signal comes for the process that has the mount, or is about to. @param now It is SIGQUIT. */
  signal(now: boolean): void {
    const { control } = this.current;
    if (this.isLost) return;
    if (control.hasLetGo || this.current.isDead)
      this.#parts.home.world.schedule(AGAIN_NS, () => this.signal(now));
    else control.signal(now);
  }

  /** Somebody asks for a hand-over. */
  handOver(plan: HandOverPlan): void {
    const { world, isKilled } = this.#parts.home;
    if (this.current.control.hasEnded || this.current.isDead || isKilled()) return;
    this.#plan = plan;
    for (let i = plan.isTwice ? 2 : 1; i > 0; i--) this.#ask(this.current);
    world.settle();
  }

  #ask({ control, handOver }: Daemon): void {
    const { world, coverage, plan } = this.#parts.home;
    const ended = (error: unknown): void => {
      const errno = error instanceof SluiceError ? error.errno : null;
      const result = error === null ? 'ok' : (errno ?? 'broken');
      coverage.add(`handed over: ${result}`);
      world.trace?.(`handed over: ${error === null ? result : (error as Error).message}`);
      if (error === null) this.#checkLeft(control);
      else if (errno === null || !isExplained(errno, plan)) {
        world.fail(`the mount is not handed over: ${(error as Error).stack}`);
      }
    };
    handOver!.run().then(() => ended(null), ended);
  }

  /** The process that another one has followed ends with 0. */
  #checkLeft(control: Daemon['control']): void {
    const { lifecycle } = control;
    // It may have crashed since.
    if (lifecycle.state !== 'closing') return;
    control.tell({ kind: 'closed' });
    if (control.conclusion?.error === null) return;
    this.#parts.home.world.fail(`a daemon that was followed ends in ${lifecycle.state}`);
  }

  #successor(home: DaemonHome, daemon: Daemon, descriptors: readonly number[]): SimSuccessor {
    this.#next = new SimSuccessor(
      {
        ...{ home, random: this.#parts.random, plan: this.#plan! },
        memory: this.#otherMemory,
        goOn: (next, served) => {
          this.#goOn(next, served, () => void next.handOver?.keep());
        },
      },
      daemon,
      descriptors,
    );
    return this.#next;
  }

  /** Not that of the last daemon. */
  get #otherMemory(): Mapping {
    return this.#all.length % 2 === 1 ? spareMemory() : this.#parts.memory;
  }

  /** Somebody kills the process that has the mount. */
  kill(plan: DeathPlan): void {
    const { current } = this;
    if (current.isDead || current.control.hasEnded || this.#parts.home.isKilled()) return;
    this.#death = plan;
    current.death.arm(plan);
  }

  #died(home: DaemonHome, dead: Daemon): void {
    const { coverage, world } = home;
    if (dead !== this.current) return;
    // Groups of a mount that has ended are not kept: nobody can see them.
    const isKept = dead.plane.plane.isReceiving;
    const isCertain = isKept && !home.kernel.changesGroups && !this.#parts.isOrdered();
    this.#groups = isCertain ? dead.showGroups() : null;
    this.#parts.died(dead);
    if (dead.kept?.isThere === true) {
      const { again } = this.#death ?? { again: 0 };
      this.#resumeLater(home, dead, again);
      return;
    }
    const next = this.#next?.follow() ?? Promise.resolve(false);
    next.then(
      (follows) => {
        coverage.add(follows ? 'death: the successor goes on' : 'death: nobody goes on');
        if (!follows) this.#lose();
      },
      (error: Error) => void world.fail(`the successor cannot follow: ${error.stack}`),
    );
    world.schedule(0, () => world.settle());
  }

  /** The mount ends with its last daemon. */
  #lose(): void {
    const { kernel, world } = this.#parts.home;
    this.isLost = true;
    world.stop = 'death';
    kernel.disconnect();
  }

  #resumeLater(home: DaemonHome, dead: Daemon, again: number): void {
    const { world, random } = home;
    world.schedule(RESTART_NS + random.below(RESTARTS_NS), () => {
      this.#resume(home, dead, again).catch((error: Error) => {
        world.fail(`a daemon cannot go on after a death: ${error.stack}`);
      });
      world.settle();
    });
  }

  async #resume(home: DaemonHome, dead: Daemon, again: number): Promise<void> {
    const { world, coverage, random } = home;
    const kept = dead.kept!;
    const handed = kept.resume(world.nowNs / 1e6);
    if (handed instanceof Error) {
      coverage.add(`not resumed: ${handed.message.replaceAll(/.*its daemon|\d+/g, '')}`);
      this.#lose();
      return;
    }
    const daemon = await this.#prepare(home, dead, handed);
    // It ends, and the keeper starts another one.
    if (daemon === null) {
      if (++this.#failedStarts < FAILED_STARTS) return this.#resumeLater(home, dead, again);
      coverage.add('not resumed: no memory');
      this.#lose();
      return;
    }
    world.schedule(random.below(RESTART_NS), () => {
      if (again > 0) {
        coverage.add('death while it prepares');
        discard(home.files, daemon.images);
        daemon.close();
        this.#resumeLater(home, dead, again - 1);
        return;
      }
      coverage.add('death: resumed');
      this.#failedStarts = 0;
      kept.serves();
      this.#goOn(
        daemon,
        () => {},
        () => {},
      );
    });
  }

  /** Null: there is no memory for its images. */
  async #prepare(home: DaemonHome, before: Daemon, handed: Handed): Promise<Daemon | null> {
    const kept = before.kept!;
    const { inherit } = kept;
    const memory = this.#otherMemory;
    try {
      return await nextDaemon({ ...{ home, before, memory, handed, inherit, kept }, opened() {} });
    } catch (error) {
      const isPlanned = error instanceof SluiceError && error.errno === 'ENOMEM';
      if (isPlanned && home.mappings.lacksMemory) return null;
      throw error;
    }
  }

  /** Nothing of the daemon before does anything any more. */
  #goOn(daemon: Daemon, served: () => void, keep: () => void): void {
    const { files, kernel, world } = this.#parts.home;
    const before = this.current;
    if (!before.isDead) before.letGo(files);
    this.current = daemon;
    this.#all.push(daemon);
    // Another one was to go on before the death.
    void this.#next?.kill();
    this.#next = null;
    this.#ready = () => {
      this.#begin();
      served();
      keep();
      world.settle();
    };
    if (before.isDead) this.#checkGroups(daemon);
    this.#parts.changed(daemon, before.isDead);
    daemon.control.mounted();
    kernel.resend();
    daemon.control.goOn();
    const { isAsked } = before.control.lifecycle;
    // A crash may have come to a daemon that had let go.
    const ends = (before.isDead && isAsked) || this.#parts.isToEnd();
    if (ends) world.schedule(this.#parts.random.below(SIGNAL_NS), () => this.signal(false));
  }

  #checkGroups(daemon: Daemon): void {
    const { coverage } = this.#parts.home;
    if (this.#groups === null) return;
    const groups = daemon.showGroups();
    coverage.add('groups checked after a death');
    if (groups === this.#groups) return;
    throw new Failure(`after a death there are the groups ${groups}, and not ${this.#groups}`);
  }

  /** The session is over. */
  close(): void {
    void this.#next?.kill();
    for (const { images } of this.#built) images.close();
    for (const daemon of [...this.#all, ...this.#built]) daemon.close();
    for (const kept of this.#kept) kept.close();
  }
}
