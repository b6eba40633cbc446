import { setTimeout as delay } from 'node:timers/promises';
import { errnoName } from '../../src/util/errno.js';
import type { Random } from '../exerciser/random.js';
import type { Agent } from './agent.js';
import type { Change, ImageModel } from './image-model.js';
import { SECTOR } from './stamps.js';

/** The mount is gone: no further call can succeed. */
const GONE: ReadonlySet<string> = new Set([
  'ENOTCONN',
  'ECONNABORTED',
  'ENODEV',
  'EBADF',
  'ESTALE',
]);

export interface LoadOptions {
  /** Calls at the same time. */
  depth: number;
  /** The longest range of a call, in sectors. */
  longest: number;
  /** Errors that are right now. Others are a fault. */
  allowed: ReadonlySet<string>;
  /** Also discards and writes zeros; not for hosts that cannot. */
  zeros: boolean;
  /** Percent of the calls that sync. */
  syncs: number;
}

const USUAL: LoadOptions = { depth: 8, longest: 256, allowed: new Set(), zeros: true, syncs: 2 };

/** Random calls on one mounted file, each of which the model knows. */
export class Load {
  readonly #agent: Agent;
  readonly fd: number;
  readonly #model: ImageModel;
  readonly #random: Random;
  readonly options: LoadOptions;
  readonly #busy = new Set<{ sector: number; count: number }>();
  readonly #faults: string[] = [];
  readonly errors = new Map<string, number>();
  #workers: Promise<void>[] = [];
  #isStopped = false;
  #isGone = false;
  #answered = 0;
  #written = 0;

  constructor(
    agent: Agent,
    fd: number,
    model: ImageModel,
    random: Random,
    options: Partial<LoadOptions> = {},
  ) {
    this.#agent = agent;
    this.fd = fd;
    this.#model = model;
    this.#random = random;
    this.options = { ...USUAL, ...options };
  }

  /** Calls that have been answered without an error. */
  get answered(): number {
    return this.#answered;
  }

  /** Bytes written. */
  get written(): number {
    return this.#written;
  }

  /** A call said that the mount is gone. */
  get isGone(): boolean {
    return this.#isGone;
  }

  /** No calls are being made. */
  get isIdle(): boolean {
    return this.#workers.length === 0;
  }

  start(): void {
    this.#isStopped = false;
    this.#workers = Array.from({ length: this.options.depth }, () => this.#work());
  }

  /** Sets which errors are right from now on. */
  allow(...names: string[]): void {
    this.options.allowed = new Set([...this.options.allowed, ...names]);
  }

  /** Waits for all calls. @throws Error for the first fault; Hang */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await Promise.all(this.#workers);
    this.#workers = [];
    this.check();
  }

  /** Closes its file. */
  async close(): Promise<void> {
    await this.#agent.result({ call: 'close', fd: this.fd });
  }

  /** @throws Error for the first fault so far */
  check(): void {
    if (this.#faults.length > 0) throw new Error(this.#faults[0]);
  }

  /** Waits until so many more calls are answered. */
  async progress(calls: number, limitMs = 30_000): Promise<void> {
    const target = this.#answered + calls;
    const end = Date.now() + limitMs;
    while (this.#answered < target) {
      this.check();
      if (Date.now() > end) throw new Error(`no ${calls} calls answered in ${limitMs} ms`);
      await delay(10);
    }
  }

  async #work(): Promise<void> {
    try {
      while (!this.#isStopped && !this.#isGone && this.#faults.length === 0) await this.#step();
    } catch (error) {
      this.#faults.push((error as Error).message);
    }
  }

  async #step(): Promise<void> {
    const kind = this.#random.below(100);
    if (kind < this.options.syncs) return this.#sync();
    const range = this.#freeRange();
    if (range === null) return delay(1);
    this.#busy.add(range);
    try {
      if (kind < 45) await this.#read(range);
      else if (kind < 90 || !this.options.zeros) await this.#write(range);
      else await this.#zero(range, kind < 95 ? 'zero' : 'discard');
    } finally {
      this.#busy.delete(range);
    }
  }

  /** A range that no other call is using: neighbours in one cluster are wanted, overlaps are not. */
  #freeRange(): { sector: number; count: number } | null {
    const { sectors } = this.#model;
    const count = 1 + this.#random.below(this.#random.oneIn(2) ? 16 : this.options.longest);
    const sector = this.#random.below(sectors - count);
    for (const one of this.#busy) {
      if (sector < one.sector + one.count && one.sector < sector + count) return null;
    }
    return { sector, count: Math.min(count, sectors) };
  }

  /** Whether a call succeeded in full. A call that did not is no fault if its error is allowed. */
  async #succeeded(what: string, result: number, expected: number): Promise<boolean> {
    if (result === expected) {
      this.#answered += 1;
      return true;
    }
    const name = result < 0 ? errnoName(result) : 'a part only';
    this.errors.set(name, (this.errors.get(name) ?? 0) + 1);
    if (GONE.has(name)) this.#isGone = true;
    const isPart = result >= 0 && this.options.allowed.size > 0;
    if (!isPart && !this.options.allowed.has(name)) {
      this.#faults.push(`${what}: ${name} (${result} instead of ${expected})`);
    }
    // An error that stays must not become a busy loop.
    await delay(5);
    return false;
  }

  async #sync(): Promise<void> {
    const mark = this.#model.sync();
    const result = await this.#agent.result({ call: 'sync', fd: this.fd });
    if (await this.#succeeded('sync', result, 0)) this.#model.synced(mark);
  }

  async #read({ sector, count }: { sector: number; count: number }): Promise<void> {
    const { image } = this.#model;
    const task = { call: 'read', fd: this.fd, image, sector, count } as const;
    const { result, generations } = await this.#agent.ask(task);
    const wrong = this.#model.difference(sector, generations!, 'kept');
    if (wrong !== null) this.#faults.push(`read: ${wrong}`);
    await this.#succeeded(`read of ${count} sectors at ${sector}`, result, count * SECTOR);
  }

  async #write({ sector, count }: { sector: number; count: number }): Promise<void> {
    const change = this.#model.begin(sector, count);
    const { image } = this.#model;
    const { generation } = change;
    const task = { call: 'write', fd: this.fd, image, sector, count, generation } as const;
    const result = await this.#agent.result(task);
    this.#model.answer(change, Math.max(0, Math.floor(result / SECTOR)));
    this.#written += Math.max(0, result);
    await this.#succeeded(`write of ${count} sectors at ${sector}`, result, count * SECTOR);
  }

  async #zero(
    { sector, count }: { sector: number; count: number },
    call: 'zero' | 'discard',
  ): Promise<void> {
    const change: Change = this.#model.begin(sector, count, true);
    const result = await this.#agent.result({ call, fd: this.fd, sector, count });
    if (errnoName(result) === 'ENOTSUP') this.#model.refuse(change);
    else {
      this.#model.answer(change, result === 0 ? count : 0);
      await this.#succeeded(`${call} of ${count} sectors at ${sector}`, result, 0);
    }
  }
}
