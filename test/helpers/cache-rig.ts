import { CachedExports } from '../../src/host/cached-exports.js';
import { type Engine, PENDING } from '../../src/host/engine.js';
import { pread, pwrite } from '../../src/sys/transfer.js';
import { ERRNO } from '../../src/util/errno.js';
import type { Dice } from './nbd-model.js';
import { bytes, memory, REQUESTS, type Rig } from './nbd-rig.js';

interface Transfer {
  request: number;
  isWrite: boolean;
  address: number;
  length: number;
  offset: number;
}

/** A file whose operations end in any order. Bytes are taken when they end. */
export class ModelFile {
  readonly descriptor: number;
  readonly #dice: Dice;
  readonly waiting: Transfer[] = [];
  /** Of 100 steps, in so many one ends. */
  percent = 50;
  /** Writes at or behind this place find no room. */
  room = Number.POSITIVE_INFINITY;

  constructor(descriptor: number, dice: Dice) {
    this.descriptor = descriptor;
    this.#dice = dice;
  }

  get engine(): Engine {
    const call =
      (isWrite: boolean) =>
      (request: number, _file: number, address: number, length: number, offset: number) => {
        const one = { request, isWrite, address, length, offset };
        if (this.#dice.chance(this.percent / 3)) return this.make(one);
        this.waiting.push(one);
        return PENDING;
      };
    const engine = { add: () => 0, remove: () => {}, read: call(false), write: call(true) };
    return engine as unknown as Engine;
  }

  make({ isWrite, address, length, offset }: Transfer): number {
    if (!isWrite) return pread(this.descriptor, address, length, offset);
    if (offset >= this.room) return -ERRNO.ENOSPC;
    return pwrite(this.descriptor, address, length, offset);
  }

  /** One operation ends, or none: a disk may be slower than a server. */
  step(completed: (request: number, result: number) => void): void {
    if (!this.#dice.chance(this.percent)) return;
    const [one] = this.waiting.splice(this.#dice.below(this.waiting.length + 1), 1);
    if (one !== undefined) completed(one.request, this.make(one));
  }
}

/** A process with the cache open, until it is killed. */
export class Life {
  readonly rig: Rig;
  readonly file: ModelFile;
  readonly cached: CachedExports;
  readonly results = new Map<number, number>();
  readonly warnings: string[] = [];

  constructor(rig: Rig, descriptor: number) {
    this.rig = rig;
    this.file = new ModelFile(descriptor, rig.dice);
    this.cached = new CachedExports({
      files: this.file.engine,
      // The rig has added its export already.
      exports: new Proxy(rig.engine, {
        get: (engine, name) => {
          if (name === 'add') return () => 0;
          const value = Reflect.get(engine, name) as unknown;
          return typeof value === 'function' ? value.bind(engine) : value;
        },
      }) as Engine,
      requests: REQUESTS,
      completed: (request, result) => this.results.set(request, result),
      warn: (text) => this.warnings.push(text),
    });
    this.cached.add({
      ...{ descriptor: -1, inMemory: false, nbd: rig.nbd },
      cache: { path: 'cache', descriptor },
    });
  }

  step(): void {
    const { rig, cached, file } = this;
    rig.step();
    for (const [request, result] of [...rig.results]) {
      rig.results.delete(request);
      if (!cached.completed(request, result)) this.results.set(request, result);
    }
    file.step((request, result) => cached.completed(request, result));
  }

  wait(request: number, begun: number): number {
    if (begun !== PENDING) return begun;
    for (let steps = 0; !this.results.has(request); steps++) {
      if (steps > 100_000) throw new Error('it does not end');
      this.step();
    }
    const result = this.results.get(request)!;
    this.results.delete(request);
    return result;
  }

  read(offset: number, length: number): number {
    return this.wait(0, this.cached.read(0, 0, memory.address, length, offset, false));
  }

  write(offset: number, length: number, byte: number): number {
    bytes.fill(byte, 0, length);
    return this.wait(0, this.cached.write(0, 0, memory.address, length, offset, false));
  }

  flush(): number {
    return this.wait(0, this.cached.flush(0, 0, false));
  }
}
