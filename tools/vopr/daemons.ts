import type { DiskConfig } from '../../src/plane/disk.js';
import type { Mapping } from '../../src/sys/memory.js';
import { SluiceError } from '../../src/util/errors.js';
import type { Random } from '../exerciser/random.js';
import { Daemon, type DaemonHome } from './daemon.js';
import { type HandOverPlan, isExplained, SimSuccessor } from './hand-overs.js';
import type { Opened } from './image-orders.js';
import { spareMemory } from './sim-memory.js';
import { Failure } from './world.js';

/** No run takes longer, nanoseconds. */
const LONGEST_NS = 3600e9;
/** How often a signal is sent again while no process is there that could take it, nanoseconds. */
const AGAIN_NS = 1e6;

/** What the daemons of a session need. */
export interface DaemonsParts {
  home: Omit<DaemonHome, 'around' | 'succeed'>;
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
  changed(daemon: Daemon): void;
}

/** The daemons of a mount, one after the other. */
export class Daemons {
  /** That which has the mount. */
  current: Daemon;
  readonly #parts: DaemonsParts;
  readonly #all: Daemon[];
  readonly #successors: SimSuccessor[] = [];
  /** The hand-over that was asked for last. */
  #plan: HandOverPlan | null = null;
  /** The files can be used: at first, and when a new daemon has gone on. */
  #ready: () => void;

  constructor(parts: DaemonsParts) {
    this.#parts = parts;
    this.#ready = parts.ready;
    const home = {
      ...parts.home,
      around: { isBusy: parts.isBusy, ready: () => this.#ready(), wentOn: parts.wentOn },
      succeed: (daemon: Daemon, descriptors: readonly number[]) =>
        this.#successor(home, daemon, descriptors),
    };
    this.current = new Daemon(home, { opened: parts.opened, memory: parts.memory, before: null });
    this.#all = [this.current];
  }

  /** Builds the data plane of the first one. */
  start(disks: readonly DiskConfig[]): void {
    this.current.build(disks);
  }

  /** Runs the thread of each data plane, and waits for the end of the last daemon, or for its death. */
  serve(): void {
    const { world, isKilled } = this.#parts.home;
    for (;;) {
      const { current } = this;
      current.runThread();
      this.wait();
      if (current === this.current || isKilled()) return;
      world.stop = null;
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
    if (control.hasLetGo) this.#parts.home.world.schedule(AGAIN_NS, () => this.signal(now));
    else control.signal(now);
  }

  /** Somebody asks for a hand-over. */
  handOver(plan: HandOverPlan): void {
    const { world, isKilled } = this.#parts.home;
    if (this.current.control.hasEnded || isKilled()) return;
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
    const { memory, random } = this.#parts;
    const isFirst = this.#all.length % 2 === 1;
    const successor = new SimSuccessor(
      {
        ...{ home, random, plan: this.#plan! },
        memory: isFirst ? spareMemory() : memory,
        goOn: (next, served) => this.#goOn(next, served),
      },
      daemon,
      descriptors,
    );
    this.#successors.push(successor);
    return successor;
  }

  /** Nothing of the daemon before does anything any more. */
  #goOn(daemon: Daemon, served: () => void): void {
    const { files, kernel, world } = this.#parts.home;
    this.current.letGo(files);
    this.current = daemon;
    this.#all.push(daemon);
    this.#ready = () => {
      served();
      world.settle();
    };
    this.#parts.changed(daemon);
    daemon.control.mounted();
    kernel.resend();
    daemon.control.goOn();
  }

  /** The session is over. */
  close(): void {
    const [, ...later] = this.#all;
    for (const { images } of later) images.close();
    for (const successor of this.#successors) successor.abandon();
    for (const daemon of this.#all) daemon.close();
  }
}
