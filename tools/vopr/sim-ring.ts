import * as abi from '../../src/uring/abi.js';
import type { CommandQueue, RingQueue } from '../../src/uring/ring.js';
import { Failure, Stopped, type World } from './world.js';

/** An entry of the submission queue. */
export interface Entry {
  opcode: number;
  flags: number;
  file: number;
  address: number;
  length: number;
  offset: number;
  opFlags: number;
  tag: number;
  /** Words 2 to 4 of a command's own fields. */
  command?: [number, number, number];
}

/** The kernel's side of a file that the ring knows. */
export interface RingTarget {
  /** Carries an entry out, now or later, and calls `done` once with its result. */
  start(entry: Entry, done: (result: number) => void): void;
}

/** Turns without any simulated time between them, after which the thread is said to spin for ever. */
const TURNS_MAX = 2_000_000;

/**
 * The ring of the simulated kernel: the same methods as io_uring's, in simulated time. A thread that
 * waits here lets the world go on.
 */
export class SimRing implements RingQueue, CommandQueue {
  readonly flags = 0;
  completedTag = 0;
  completedResult = 0;
  readonly #world: World;
  readonly #targetOf: (descriptor: number) => RingTarget;
  readonly #submitting: () => void;
  readonly #targets: (RingTarget | null)[] = [];
  /** Entries of each file that have not ended. */
  readonly #underWay: number[] = [];
  readonly #free: number[] = [];
  #entries: Entry[] = [];
  #tags: number[] = [];
  #results: number[] = [];
  #head = 0;
  #enters = 0;

  /**
   * @param targetOf The file behind a descriptor.
   * @param submitting Called before the kernel takes an entry, with what is linked to it: the process may die there.
   */
  constructor(
    world: World,
    targetOf: (descriptor: number) => RingTarget,
    submitting: () => void = () => {},
  ) {
    this.#world = world;
    this.#targetOf = targetOf;
    this.#submitting = submitting;
  }

  addFile(descriptor: number): number {
    const index = this.#free.pop() ?? this.#targets.length;
    this.#targets[index] = this.#targetOf(descriptor);
    this.#underWay[index] = 0;
    return index;
  }

  /** Files that it has. */
  get files(): number {
    return this.#targets.length - this.#free.length;
  }

  removeFile(index: number): void {
    if (this.#underWay[index]! > 0 || this.#entries.some(({ file }) => file === index)) {
      throw new Failure('a file is taken from the ring while operations of it are under way');
    }
    this.#targets[index] = null;
    this.#free.push(index);
  }

  queue(
    opcode: number,
    flags: number,
    file: number,
    address: number,
    length: number,
    offset: number,
    opFlags: number,
    tag: number,
  ): void {
    this.#entries.push({ opcode, flags, file, address, length, offset, opFlags, tag });
  }

  queueCommand(
    flags: number,
    file: number,
    code: number,
    address: number,
    length: number,
    first: number,
    second: number,
    third: number,
    tag: number,
  ): void {
    const command: [number, number, number] = [first, second, third];
    const entry = { flags, file, address, length, offset: code, opFlags: 0, tag, command };
    this.#entries.push({ opcode: abi.OP_COMMAND, ...entry });
  }

  reserve(): void {}

  get queued(): number {
    return this.#entries.length;
  }

  submit(): void {
    this.#enter();
    this.#world.runDue();
    this.#checkStop();
  }

  submitAndWait(timeoutNs: number): void {
    this.#enter();
    const untilNs = this.#world.nowNs + timeoutNs;
    this.#world.runDue();
    while (!this.#hasCompletions && this.#world.stop === null) {
      if (this.#world.advance(untilNs)) continue;
      if (untilNs !== Infinity) break;
      throw new Failure('the data plane sleeps, and nothing is there that will wake it');
    }
    this.#checkStop();
  }

  hasWork(): boolean {
    this.#world.runDue();
    return this.#hasCompletions;
  }

  peek(): boolean {
    if (!this.#hasCompletions) return false;
    this.completedTag = this.#tags[this.#head]!;
    this.completedResult = this.#results[this.#head]!;
    return true;
  }

  advance(): void {
    if (++this.#head < this.#tags.length) return;
    this.#tags.length = 0;
    this.#results.length = 0;
    this.#head = 0;
  }

  /** Entries that the kernel has not seen yet, and completions that the thread has not. */
  get unseen(): number {
    return this.#entries.length + this.#tags.length - this.#head;
  }

  get #hasCompletions(): boolean {
    return this.#head < this.#tags.length;
  }

  #checkStop(): void {
    if (++this.#enters > TURNS_MAX) throw new Failure('the data plane turns without an end');
    if (this.#world.stop !== null) throw new Stopped(this.#world.stop);
  }

  #enter(): void {
    const entries = this.#entries;
    this.#entries = [];
    for (let i = 0; i < entries.length; i++) {
      this.#submitting();
      const entry = entries[i]!;
      const linked = (entry.flags & abi.SQE_IO_LINK) !== 0 ? entries[++i]! : null;
      this.#start(entry, linked);
    }
  }

  /** @param linked Starts when the entry is complete; a short or failed one cancels it. */
  #start(entry: Entry, linked: Entry | null): void {
    const target = this.#targets[entry.file];
    if (target === undefined || target === null) throw new Failure('an entry for a closed file');
    let isDone = false;
    this.#underWay[entry.file]!++;
    target.start(entry, (result) => {
      if (isDone) throw new Failure('an entry of the simulated ring has ended twice');
      isDone = true;
      this.#underWay[entry.file]!--;
      const isComplete = result >= 0 && (linked === null || result === entry.length);
      if (!isComplete || (entry.flags & abi.SQE_CQE_SKIP_SUCCESS) === 0) {
        this.#complete(entry.tag, result);
      }
      if (linked === null) return;
      if (isComplete) this.#start(linked, null);
      else if ((linked.flags & abi.SQE_CQE_SKIP_SUCCESS) === 0) this.#complete(linked.tag, -125);
    });
  }

  #complete(tag: number, result: number): void {
    this.#tags.push(tag);
    this.#results.push(result);
  }
}
