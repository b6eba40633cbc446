import { FIRST_HANDED, type Handed, type Successor } from '../../src/server/successor.js';
import type { Mapping } from '../../src/sys/memory.js';
import { EXIT_FAILED, SluiceError } from '../../src/util/errors.js';
import type { Random } from '../exerciser/random.js';
import type { Daemon, DaemonHome } from './daemon.js';
import { isQuiet } from './host-plan.js';
import { descriptorsOf, discard } from './image-orders.js';
import { Inherited } from './keepers.js';
import { nextDaemon } from './next-daemon.js';
import type { SessionPlan } from './plan.js';
import { contentOf } from './record.js';
import { Failure } from './world.js';

/** Each step of a new daemon takes so long at most, nanoseconds. */
const STEPS_NS = [10_000, 1e6, 20e6];
/** Where operations of the host take so long, what was admitted may not end in time, nanoseconds. */
const SLOW_NS = 40e6;
/** Why the plan lets a new daemon fail. */
const PLANNED = 'ECHILD';

/** What a new daemon can fail at. */
export const FAILINGS = ['load', 'open', 'prepare'] as const;

/** A hand-over of a session. */
export interface HandOverPlan {
  /** It is asked for when callers have sent so many requests. */
  after: number;
  /** Null: nothing. */
  failing: (typeof FAILINGS)[number] | null;
  /** It is asked for twice at once. */
  isTwice: boolean;
}

/** What a new daemon needs of its session. */
export interface SuccessionParts {
  home: DaemonHome;
  plan: HandOverPlan;
  random: Random;
  memory: Mapping;
  /** The new daemon goes on. `served` is called when its files can be used. */
  goOn(daemon: Daemon, served: () => void): void;
}

/** The process that is to go on with a simulated mount: as in successor.ts and take-over.ts. */
export class SimSuccessor implements Pick<Successor, keyof Successor> {
  readonly pid = 2;
  servedAt = 0;
  readonly #parts: SuccessionParts;
  readonly #before: Daemon;
  readonly #inherited = new Inherited(FIRST_HANDED);
  #daemon: Daemon | null = null;
  /** It has the state of the mount: plain data, as in a message. */
  #handed: Handed | null = null;
  #isDead = false;
  /** The mount is its own. */
  #isGoing = false;

  constructor(parts: SuccessionParts, before: Daemon, descriptors: readonly number[]) {
    this.#parts = parts;
    this.#before = before;
    this.#inherited.take(descriptors);
  }

  async load(): Promise<void> {
    await this.#wait();
    this.#failAt('load');
  }

  async prepare(handed: Handed): Promise<void> {
    this.#handed = structuredClone(handed);
    await this.#wait();
    if (this.#isDead) throw new SluiceError('the new daemon was killed', PLANNED, EXIT_FAILED);
    try {
      this.#daemon = await this.#build(this.#handed);
    } catch (error) {
      throw this.#judged(error);
    }
    if (this.#isDead) this.#close();
    await this.#wait();
    this.#failAt('prepare');
  }

  go(): Promise<void> {
    const { home, goOn } = this.#parts;
    const daemon = this.#daemon!;
    this.#daemon = null;
    this.#isGoing = true;
    return new Promise((resolve) => {
      // Whatever becomes of the process before.
      home.world.schedule(this.#someNs, () => goOn(daemon, resolve));
    });
  }

  /**
   * The process before is dead.
   * @returns Whether this one goes on with the mount: it has the state.
   */
  async follow(): Promise<boolean> {
    const { home, goOn, plan } = this.#parts;
    if (this.#isGoing) return true;
    if (this.#handed === null || this.#isDead || plan.failing !== null) {
      await this.kill();
      return false;
    }
    this.#isGoing = true;
    const daemon = this.#daemon ?? (await this.#build(this.#handed));
    this.#daemon = null;
    home.world.schedule(this.#someNs, () => goOn(daemon, () => {}));
    return true;
  }

  async kill(): Promise<void> {
    this.#isDead = true;
    this.#inherited.close();
    this.#close();
  }

  letGo(): void {}

  #close(): void {
    if (this.#daemon !== null) discard(this.#parts.home.files, this.#daemon.images);
    this.#daemon?.close();
    this.#daemon = null;
  }

  #wait(): Promise<void> {
    return this.#before.control.wait(this.#someNs);
  }

  get #someNs(): number {
    const { random } = this.#parts;
    return random.below(STEPS_NS[random.below(STEPS_NS.length)]!);
  }

  #failAt(step: (typeof FAILINGS)[number]): void {
    if (this.#parts.plan.failing !== step) return;
    throw new SluiceError(`the new daemon fails at ${step}`, PLANNED, EXIT_FAILED);
  }

  /** An error that nothing explains is a failure of the run. */
  #judged(error: unknown): unknown {
    const { mappings, world } = this.#parts.home;
    const errno = error instanceof SluiceError ? error.errno : '';
    if (errno === PLANNED || (errno === 'ENOMEM' && mappings.lacksMemory)) return error;
    const { message, stack } = error as Error;
    return world.fail(`the new daemon cannot go on: ${errno === '' ? stack : message}`);
  }

  async #build(handed: Handed): Promise<Daemon> {
    const { home, memory } = this.#parts;
    const before = this.#before;
    // Those of a daemon that is dead are closed.
    const files = before.isDead ? [] : before.images.disks.flatMap(descriptorsOf);
    const bytes = files.map(contentOf);
    const opened = (): void => {
      for (const [index, file] of files.entries()) {
        if (before.isDead || contentOf(file).equals(bytes[index]!)) continue;
        throw new Failure('a new daemon changes a file that the one before may go on with');
      }
      this.#failAt('open');
    };
    const { at: inherit } = this.#inherited;
    const kept = home.newKeptMount();
    try {
      return await nextDaemon({ ...{ home, before, memory, handed, inherit, kept, opened } });
    } finally {
      this.#inherited.close();
    }
  }
}

/** Whether a hand-over may have failed so: nothing is lost, and the daemon goes on. */
export function isExplained(errno: string, { host }: SessionPlan): boolean {
  // The mount ends, or another hand-over is under way.
  if (errno === PLANNED || errno === 'EBUSY' || errno === 'ENOMEM') return true;
  // A format that is written and does not change hands, too.
  if (errno === 'EOPNOTSUPP') return true;
  if (errno === 'EIO') return !isQuiet(host);
  return errno === 'ETIMEDOUT' && (host.stuck > 0 || host.longestNs + host.flushNs >= SLOW_NS);
}
