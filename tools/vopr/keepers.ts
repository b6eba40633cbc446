import { type PackedState, unpack } from '../../src/plane/kept-state.js';
import { SnapshotFile } from '../../src/plane/snapshot-file.js';
import type { Keeper, Kept } from '../../src/server/keeper.js';
import { deathsOf, handedOf, refusal } from '../../src/server/resume.js';
import { type Handed, STATE_VERSION } from '../../src/server/successor.js';
import { F_DUPFD_CLOEXEC, MFD_CLOEXEC } from '../../src/sys/constants.js';
import { close, fcntl, memfdCreate } from '../../src/sys/libc.js';
import type { SluiceError } from '../../src/util/errors.js';
import type { ControlPlane } from './control-plane.js';
import { FUSE, GUARD } from './plane-config.js';

/** The first descriptor of the mount in the next daemon. */
const FIRST = 6;
/** The end of a keeper takes so long at most, nanoseconds. */
const STOP_NS = 3e6;

/** Descriptors that another process has inherited, and knows by their places. They outlive the process before. */
export class Inherited {
  readonly #first: number;
  #descriptors: number[] = [];

  /** @param first The first place. */
  constructor(first: number) {
    this.#first = first;
  }

  take(descriptors: readonly number[]): void {
    this.#descriptors = descriptors.map((one) => (one === FUSE ? FUSE : copyOf(one)));
  }

  /** A descriptor of its own. */
  readonly at = (place: number): number => {
    return place < 0 ? -1 : copyOf(this.#descriptors[place - this.#first]!);
  };

  close(): void {
    for (const one of this.#descriptors.splice(0)) if (one !== FUSE) close(one);
  }
}

function copyOf(descriptor: number): number {
  return fcntl(descriptor, F_DUPFD_CLOEXEC, 0);
}

/** What a keeper has of a mount, while there is one. */
export class KeptMount {
  readonly config = { state: memfdCreate('vopr-state', MFD_CLOEXEC), guard: GUARD };
  #deaths: number[] = [];
  #kept: Omit<Kept, 'deaths'> | null = null;
  readonly #inherited = new Inherited(FIRST);

  get isThere(): boolean {
    return this.#kept !== null;
  }

  start(descriptors: readonly number[], kept: Parameters<Keeper['start']>[2]): void {
    const daemon = { pid: 1, startTime: '' };
    // As bytes in a file.
    this.#kept = structuredClone({ ...kept, version: STATE_VERSION, daemon, serves: true });
    this.#inherited.take(descriptors);
  }

  stop(): void {
    this.#kept = null;
    this.#inherited.close();
  }

  /** As in resume.ts: what the next daemon begins with, or why there is none. */
  resume(nowMs: number): Handed | SluiceError {
    const before = { ...structuredClone(this.#kept!), deaths: this.#deaths };
    this.#deaths = deathsOf(before, Math.floor(nowMs));
    const kept = { ...before, deaths: this.#deaths };
    this.#kept!.serves = false;
    const state = new SnapshotFile(this.config.state).read() as PackedState | null;
    return refusal(kept, state !== null) ?? handedOf(kept, unpack(state!), nowMs * 1e6);
  }

  /** The daemon that has gone on serves. */
  serves(): void {
    this.#kept!.serves = true;
  }

  /** A descriptor of the next daemon, which knows its place. */
  get inherit(): (place: number) => number {
    return this.#inherited.at;
  }

  close(): void {
    this.stop();
    close(this.config.state);
  }
}

/** The keeper of a mount, seen from the daemon that has it. */
export class SimKeeper implements Pick<Keeper, 'first' | 'isThere' | 'start' | 'stop'> {
  readonly first = FIRST;
  readonly #mount: KeptMount;
  readonly #control: Pick<ControlPlane, 'wait' | 'isDead'>;
  readonly #delay: (most: number) => number;

  constructor(
    mount: KeptMount,
    control: Pick<ControlPlane, 'wait' | 'isDead'>,
    delay: (most: number) => number,
  ) {
    this.#mount = mount;
    this.#control = control;
    this.#delay = delay;
  }

  get isThere(): boolean {
    return this.#mount.isThere;
  }

  start(
    _mountpoint: string,
    descriptors: readonly number[],
    kept: Parameters<Keeper['start']>[2],
  ): number {
    if (!this.#control.isDead) this.#mount.start(descriptors, kept);
    return 3;
  }

  /** Nobody keeps the mount from now on; the next keeper comes a moment later. */
  async stop(): Promise<void> {
    if (!this.isThere) return;
    // What a promise of a dead process does, it does not.
    if (!this.#control.isDead) this.#mount.stop();
    await this.#control.wait(this.#delay(STOP_NS));
  }
}
