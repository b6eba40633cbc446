import { writeSync } from 'node:fs';
import { deserialize } from 'node:v8';
import { type KeptState, type PackedState, unpack } from '../../src/plane/kept-state.js';
import type { WriteAt } from '../../src/plane/snapshot-file.js';
import type { Coverage } from './coverage.js';
import { Stopped, type World } from './world.js';

/** Where a process is when it dies. */
export const MOMENTS = [
  /** Anywhere: while it waits, too. */
  'now',
  /** The kernel has taken some of the entries that it submits. */
  'submit',
  /** It keeps its state. */
  'state',
] as const;

/** Parts of the writing of a state that are done then. */
const STATE_PARTS = ['nothing', 'some bytes', 'all but the head', 'all'] as const;

/** What a death comes after. */
export const OCCASIONS = ['requests', 'start', 'end', 'hand-over'] as const;

/** A death of a daemon. */
export interface DeathPlan {
  /** `change`: a caller asks for something of which it says so. */
  occasion: (typeof OCCASIONS)[number] | 'change';
  /** Of `requests`: it comes when callers have sent so many. Of `change`: with which of them. Of the others: so many nanoseconds later. */
  after: number;
  moment: (typeof MOMENTS)[number];
  /** Of `submit`: entries that the kernel takes before. Of `state`: which part of it is written. */
  step: number;
  /** So many daemons die while they prepare to go on. */
  again: number;
}

/** It dies at once if it has not come to the planned moment by then, nanoseconds. */
const LATE_NS = 30e6;

/** What ends one process at some moment. */
export class Death {
  readonly #world: World;
  readonly #coverage: Coverage;
  readonly #die: () => void;
  readonly #kept: ((state: KeptState) => void) | null;
  /** Of the state that is being written. */
  #bytes: Uint8Array = new Uint8Array(0);
  #plan: DeathPlan | null = null;
  #left = 0;
  #isLastNext = false;
  /** The tick at which its state was written last as a whole. */
  keptAt: number;

  /**
   * @param die Called once.
   * @param kept Called with each state that is whole; null: nobody wants them.
   */
  constructor(
    world: World,
    coverage: Coverage,
    die: () => void,
    kept: ((state: KeptState) => void) | null,
  ) {
    this.#kept = kept;
    this.#world = world;
    this.keptAt = world.tick();
    this.#coverage = coverage;
    this.#die = die;
  }

  /** It is to die at the planned moment. */
  arm(plan: DeathPlan): void {
    if (this.#plan !== null) return;
    this.#plan = plan;
    this.#left = plan.step;
    const lateNs = plan.moment === 'now' ? 0 : LATE_NS;
    this.#world.schedule(lateNs, () => this.#happen('anywhere'));
  }

  /** The kernel is about to take an entry. */
  readonly submitting = (): void => {
    if (this.#plan?.moment === 'submit' && this.#left-- === 0) this.#inTurn('in a submission');
  };

  /** Writes to the file of the state: of two writes the second one makes it whole. */
  readonly writeState: WriteAt = (descriptor, bytes, offset, length, position) => {
    const isLast = this.#isLastNext;
    this.#isLastNext = !isLast;
    const part = this.#plan?.moment === 'state' ? STATE_PARTS[this.#plan.step % 4]! : null;
    const where = `with ${part} of its state`;
    const write = (count: number): number => {
      return writeSync(descriptor, bytes as Uint8Array, offset, count, position);
    };
    if (!isLast && part === 'nothing') this.#inTurn(where);
    if (!isLast && part === 'some bytes') {
      write(length >> 1);
      this.#inTurn(where);
    }
    if (isLast && part === 'all but the head') this.#inTurn(where);
    const written = write(length);
    if (bytes instanceof Buffer) this.#bytes = bytes;
    if (isLast) {
      this.keptAt = this.#world.tick();
      this.#kept?.(unpack(deserialize(this.#bytes) as PackedState));
    }
    if (isLast && part === 'all') this.#inTurn(where);
    return written;
  };

  #inTurn(where: string): never {
    this.#happen(where);
    throw new Stopped('death');
  }

  #happen(where: string): void {
    if (this.#plan === null) return;
    this.#coverage.add(`death ${where}`);
    this.#world.trace?.(`the daemon dies ${where}`);
    this.#plan = null;
    this.#die();
  }
}
