import { AskedFaults } from './asked-faults.js';
import { Contents } from './contents.js';
import type { ImagePlan, Template } from './plan-images.js';
import type { World } from './world.js';

const SECTOR = 512;
/** A growable image can get this much longer. */
const GROWTH_BYTES = 640 << 10;

export function roundUpToSector(size: number): number {
  return Math.ceil(size / SECTOR) * SECTOR;
}

/** The time for which a mount has an image. Times are ticks of the world. */
export class Stay {
  /** A detach is under way, or may be: requests for the image may be refused. */
  readonly #leavings: { from: number; to: number }[] = [];
  /** Those that a user wants. */
  readonly faults = new AskedFaults();
  /** Infinity: the image is there. */
  goneAt = Infinity;
  /** It has gone and lost data, and its detach says so in the log, also where the mount ends before the answer. */
  isToldOf = false;
  readonly since: number;
  readonly readOnly: boolean;

  constructor(since: number, readOnly: boolean) {
    this.since = since;
    this.readOnly = readOnly;
  }

  /** A detach begins. @returns To be called when it has ended. */
  leave(from: number): (to: number) => void {
    const leaving = { from, to: Infinity };
    this.#leavings.push(leaving);
    return (to) => {
      leaving.to = to;
    };
  }

  /** The image was leaving at some time of this stretch. */
  isLeaving(from: number, to: number): boolean {
    return this.#leavings.some((one) => one.from < to && from < one.to) || to > this.goneAt;
  }
}

/** What is known of an image, over all sessions of a run. */
export class Image {
  readonly plan: ImagePlan;
  readonly template: Template;
  readonly path: string;
  readonly contents: Contents;
  /** The size is between these, bytes: they differ while a change of it is under way or has failed. */
  least: number;
  most: number;
  /** The largest size in this session: a truncate that was not synced can be undone by a power cut. */
  largest = 0;
  /** Ticks at which flushes were sent that were acknowledged, and at which that was. */
  readonly #syncs: { sent: number; answered: number }[] = [];
  /** Tick at which an fsync of the host failed last: what was written before may be lost for ever. */
  lostAt = 0;
  /** That has happened, in whatever session. */
  hasLost = false;
  /** Clusters may lie behind the end of its file: an fsync failed, and then the host could not make the file longer again. */
  mayEndEarly = false;
  /** A session has ended suddenly: clusters may have leaked. */
  mayLeak = false;
  /** Its time in the mount of this session; null: it has not come yet, or has gone. */
  stay: Stay | null = null;
  /** In this session it was detached, and could not be flushed whole. */
  isSpoiled = false;
  /** The order that attaches it makes a new overlay; and has made one. */
  comesNew = false;
  hasNew = false;
  /** Its partition table is that of the template. */
  isTableKnown = true;
  /** Somebody has given an order about it, which is not answered yet. */
  isOrdered = false;
  /** The last order, and the tick at which it was answered; Infinity: it is not. */
  #order = { size: 0, answered: 0 };
  /** The end that its file may have since an order has failed; 0: none has. */
  #triedEnd = 0;
  #isSetMeanwhile = false;
  #users = 0;
  #isAlone = false;
  readonly #waiting: { alone: boolean; go: () => void }[] = [];

  constructor(plan: ImagePlan, template: Template, path: string, base: Buffer) {
    this.plan = plan;
    this.template = template;
    this.path = path;
    const limit = base.length + (plan.growable || plan.resizable ? GROWTH_BYTES : 0);
    this.contents = new Contents(base, limit);
    for (const end of [template.size, template.kind?.end ?? 0]) this.contents.endsAt(end);
    this.least = base.length;
    this.most = base.length;
  }

  /** What was acknowledged before a flush was sent is durable once that is acknowledged. */
  hasSynced(sent: number, answered: number): void {
    this.#syncs.push({ sent, answered });
  }

  /** Changes that were acknowledged before this tick are durable at the tick `at`. */
  syncedBefore(at: number): number {
    const done = this.#syncs.filter(({ answered }) => answered <= at);
    return Math.max(0, ...done.map(({ sent }) => sent));
  }

  /** A session begins. */
  forgetMarks(): void {
    this.#syncs.length = 0;
    this.largest = this.most;
    this.#order = { size: 0, answered: 0 };
    this.#isSetMeanwhile = false;
    this.lostAt = 0;
    this.stay = null;
    this.isSpoiled = false;
    this.isOrdered = false;
  }

  /** Each byte has its place in the file, so no request depends on another one. */
  get isInPlace(): boolean {
    return this.template.kind === null || this.template.kind.inPlace === true;
  }

  /** Its file has more than 4 GiB. */
  get isFar(): boolean {
    return this.template.kind?.far === true;
  }

  get format(): string {
    return this.template.kind === null ? 'raw' : (this.template.kind.format ?? 'qcow2');
  }

  /** A change that can make the image longer is sent. */
  mayGrow(end: number): void {
    if (this.plan.growable) {
      this.most = Math.max(this.most, roundUpToSector(end));
      // The file of a raw image ends where the last write that made it longer does.
      if (this.format === 'raw' && end > this.least - SECTOR) this.contents.endsAt(end);
    }
    this.largest = Math.max(this.largest, this.most);
  }

  hasGrown(end: number): void {
    if (this.plan.growable) this.least = Math.max(this.least, roundUpToSector(end));
  }

  /** An order asks for this size. */
  mayResize(size: number): void {
    this.#order = { size, answered: Infinity };
    this.most = Math.max(this.most, size);
    this.largest = Math.max(this.largest, this.most);
  }

  /** The order is answered. A truncate meanwhile may have come before it or after it. */
  wasResized(isDone: boolean, now: number): void {
    if (isDone && !this.#isSetMeanwhile) this.least = Math.max(this.least, this.#asked);
    if (!isDone) this.#triedEnd = Math.max(this.#triedEnd, this.#asked);
    this.#order.answered = now;
    this.#isSetMeanwhile = false;
  }

  /** The size that an order asks for; 0: none does. A truncate may have been answered since. */
  get #asked(): number {
    return this.#order.answered === Infinity ? this.#order.size : 0;
  }

  /** An order that may have been carried out since that tick asks for this size. */
  isOrderedSince(sent: number, size: number): boolean {
    return this.#order.size === size && this.#order.answered > sent;
  }

  /** The session is over, and this is its size. */
  settleSize(size: number): void {
    this.#triedEnd = 0;
    this.setSize(size);
  }

  setSize(size: number): void {
    this.least = size;
    this.most = Math.max(size, this.#asked, this.#triedEnd);
    this.#isSetMeanwhile = this.#asked > 0;
  }

  /** Calls `go` when the image may be used; `alone`: by nobody else. */
  acquire(alone: boolean, go: () => void): void {
    this.#waiting.push({ alone, go });
    this.#grant();
  }

  release(): void {
    this.#users--;
    this.#isAlone = false;
    this.#grant();
  }

  /** Nobody uses it any more: their session has ended. */
  reset(): void {
    this.#users = 0;
    this.#isAlone = false;
    this.#waiting.length = 0;
  }

  #grant(): void {
    for (;;) {
      const next = this.#waiting[0];
      if (next === undefined || this.#isAlone || (next.alone && this.#users > 0)) return;
      this.#waiting.shift();
      this.#users++;
      this.#isAlone = next.alone;
      next.go();
    }
  }
}

/** A disk of a session: an image, or a part of one. */
export interface Disk {
  name: string;
  image: Image;
  /** That in which it was opened. */
  stay: Stay;
  start: number;
  /** Bytes; null: up to the end of the image. */
  length: number | null;
  readOnly: boolean;
  /** Node and open handle in the mount. */
  node: number;
  handle: number;
}

/** A caller waits for something: it is called with the function that lets the caller go on. */
export type Effect = (resume: (value?: unknown) => void) => void;
export type Steps<T = void> = Generator<Effect, T, unknown>;

export function pause(world: World, ns: number): Effect {
  return (resume) => world.schedule(ns, () => resume());
}

/** Runs a caller to its end. */
export function drive(steps: Steps, ended: () => void): void {
  const go = (value?: unknown): void => {
    const step = steps.next(value);
    if (step.done === true) ended();
    else step.value(go);
  };
  go();
}
