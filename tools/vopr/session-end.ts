import type { Random } from '../exerciser/random.js';
import { callerSteps, close } from './callers.js';
import type { ControlPlane } from './control-plane.js';
import type { Coverage } from './coverage.js';
import { drive, type Steps } from './disks.js';
import type { FuseKernel } from './fuse-kernel.js';
import type { HostFiles } from './host-files.js';
import type { SessionPlan } from './plan.js';
import { Gone, type Scene } from './scene.js';
import type { World } from './world.js';

/** What the end of a session acts on. */
export interface EndParts {
  plan: SessionPlan;
  world: World;
  coverage: Coverage;
  /** Of the process that serves the mount now. */
  control: () => ControlPlane;
  /** A signal comes for that process; `now`: SIGQUIT. */
  signal: (now: boolean) => void;
  kernel: FuseKernel;
  files: HostFiles;
  random: Random;
  /** For what came to the plan later. */
  extras: Random;
  scene: () => Scene;
}

/** The end of a session: unmounts, signals, a crash, a kill, a power cut. */
export class SessionEnd {
  hasBegun = false;
  /** Files of the mount are open. */
  isBusy = true;
  readonly #parts: EndParts;

  constructor(parts: EndParts) {
    this.#parts = parts;
  }

  /** The process is killed, or its machine has lost its power. */
  get isKilled(): boolean {
    const { end } = this.#parts.plan;
    return this.hasBegun && (end === 'kill' || end === 'power cut');
  }

  /** Begins the end that the plan says. */
  begin(): void {
    if (this.hasBegun || this.#parts.control().hasEnded) return;
    this.hasBegun = true;
    const { end } = this.#parts.plan;
    this.#parts.coverage.add(`end ${end}`);
    if (this.#parts.plan.host.faults > 0 && this.#parts.extras.oneIn(2)) {
      this.#parts.files.failLater(this.#parts.extras.below(16));
    }
    // A flush that found no room has lost nothing, and no write has left a cluster behind.
    if (this.#parts.plan.tight === 'room' && !this.#parts.extras.oneIn(3)) {
      this.#parts.files.makeRoom();
    }
    switch (end) {
      case 'umount':
        drive(this.#closeAll(), () => this.#parts.kernel.disconnect());
        break;
      case 'abort':
        this.#parts.kernel.disconnect();
        break;
      case 'kill':
        this.#parts.world.stop = end;
        break;
      case 'power cut':
        this.#cutPower();
        break;
      case 'crash':
        this.#parts.world.stop = 'crash';
        break;
      case 'terminate':
        drive(this.#closeAll(), () => this.#parts.signal(false));
        break;
      default:
        this.#parts.signal(false);
    }
    if (end === 'terminate twice') {
      this.#parts.world.schedule(
        this.#parts.random.below([1000, 1e6, 1e9][this.#parts.random.below(3)]!),
        () => this.#abort(),
      );
    } else this.#awaitStuck();
  }

  /** A signal comes on its own. If it comes before the mount is ready, it is all the end that there is. */
  terminate(): void {
    this.#parts.signal(false);
    this.#awaitStuck();
  }

  /** Operations that never end hold up an end for ever, if nobody loses patience. */
  #awaitStuck(): void {
    if (this.#parts.plan.host.stuck === 0) return;
    this.#parts.world.schedule(600e9, () => this.#abort());
  }

  /** The power fails: now, or while images are being flushed. */
  #cutPower(): void {
    const { flushNs, usualNs } = this.#parts.plan.host;
    const isFlushing = this.#parts.extras.oneIn(2) && this.#parts.scene().disks.length > 0;
    for (let stream = 0; isFlushing && stream < 3; stream++) {
      drive(callerSteps(this.#parts.scene(), [{ kind: 'flush', stream, pauseNs: 0 }]), () => {});
    }
    const afterNs = isFlushing ? this.#parts.extras.below(5 * flushNs + 50 * usualNs) : 0;
    this.#parts.world.schedule(afterNs, () => {
      this.#parts.world.stop = 'power cut';
    });
  }

  /** Signals, until it ends at once. */
  #abort(): void {
    for (let i = 0; i < 2 && !this.#parts.control().hasEnded; i++) this.#parts.signal(false);
  }

  *#closeAll(): Steps {
    try {
      for (const disk of this.#parts.scene().disks) {
        if (disk.handle !== 0) yield* close(this.#parts.scene(), disk);
      }
      this.isBusy = false;
    } catch (error) {
      if (!(error instanceof Gone)) throw error;
    }
  }
}
