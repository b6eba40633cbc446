import { closeSync, readFileSync } from 'node:fs';
import type { ExecutionContext } from 'ava';
import { Memory, SLOT_DATA, slotOffset } from '../../../src/buffers/memory.js';
import { type Engine, PENDING, type Task } from '../../../src/host/engine.js';
import { SyncWriter } from '../../../src/host/sync-writer.js';
import type { Driver } from '../../../src/image/driver.js';
import { inflate } from '../../../src/image/inflate.js';
import { type InflateCall, InflateCalls } from '../../../src/image/inflate-calls.js';
import { makeDriver } from '../../../src/image/make-driver.js';
import { Mappings } from '../../../src/image/mappings.js';
import { layerConfigs, openChain } from '../../../src/image/open-chain.js';
import { REDO_LOG_BYTES, RedoLog } from '../../../src/image/redo-log.js';
import { FALLOC_KEEP_SIZE, FALLOC_PUNCH_HOLE, MFD_CLOEXEC } from '../../../src/sys/constants.js';
import { fallocateNow, memfdCreate } from '../../../src/sys/libc.js';
import { mapAnonymous } from '../../../src/sys/memory.js';
import { Random } from '../../../tools/exerciser/random.js';
import { Maker } from '../../../tools/lib/image-maker.js';
import { KINDS, type Kind } from '../../../tools/vopr/image-kinds.js';
import { checkQcow } from '../../../tools/vopr/qcow-check.js';
import { ATOM, History, stamp, type Write, ZEROS } from '../../formats/history.js';
import { qemuTest } from '../../formats/needs.js';
import { readImage } from '../../helpers/read-image.js';
import { run } from '../../helpers/run.js';
import { TMPFS, tempFolder } from '../../helpers/temp.js';

/** More seeds: SLUICE_REDO_ROUNDS=20. */
const ROUNDS = Number(process.env.SLUICE_REDO_ROUNDS ?? 1);
/** Daemons that serve an image one after the other. */
const LIVES = 4;
/** Requests at the same time. */
const REQUESTS = 6;
const PUNCH = FALLOC_PUNCH_HOLE | FALLOC_KEEP_SIZE;
const CAPACITY = { requests: REQUESTS, inFlight: REQUESTS, receives: REQUESTS, poolBytes: 0 };
const MEMORY = mapAnonymous(slotOffset(2 * REQUESTS));

/** A process is killed. */
class Killed extends Error {}

/** Counts down to the death of a process: at each call to the host, and at each change that is told to the log. */
let fuse = Number.POSITIVE_INFINITY;

function burn(): void {
  if (--fuse < 0) throw new Killed();
}

const { commit } = RedoLog.prototype;
RedoLog.prototype.commit = function (this: RedoLog): void {
  burn();
  commit.call(this);
};

/** A call to the host that is under way. */
interface Call {
  request: number;
  make: () => number;
}

/** An engine whose calls are made later, in any order, so that tasks run into each other. */
class LateEngine implements Engine {
  readonly calls: Call[] = [];
  readonly #host = new SyncWriter();

  add(file: Parameters<Engine['add']>[0]): number {
    return this.#host.add(file);
  }

  remove(): void {}

  links(): boolean {
    return false;
  }

  #later(request: number, make: () => number): number {
    this.calls.push({ request, make });
    return PENDING;
  }

  readonly read: Engine['read'] = (request, file, address, length, offset) =>
    this.#later(request, () => this.#host.read(request, file, address, length, offset));
  readonly write: Engine['write'] = (request, file, address, length, offset) =>
    this.#later(request, () => this.#host.write(request, file, address, length, offset));
  flush(request: number, ...words: [number, boolean]): number {
    return this.#later(request, () => this.#host.flush(request, ...words));
  }
  allocate(request: number, ...words: [number, number, number, number]): number {
    return this.#later(request, () => this.#host.allocate(request, ...words));
  }
  resize(request: number, ...words: [number, number]): number {
    return this.#later(request, () => this.#host.resize(request, ...words));
  }
  seek(request: number, ...words: [number, number, number]): number {
    return this.#host.seek(request, ...words);
  }
  setTimes(): number {
    return 0;
  }
  status(
    request: number,
    ...words: Parameters<Engine['status']> extends [number, ...infer Rest] ? Rest : never
  ): number {
    return this.#host.status(request, ...words);
  }
}

interface Running {
  task: Task;
  /** Null for a flush. */
  write: Write | null;
}

/** An image that daemons serve and die with, and what was promised about it. */
class Victim {
  readonly path: string;
  readonly history: History;
  readonly log: number;
  #now = 0;
  #version = 0;
  /** The next new write makes the disk longer, as soon as nothing else is under way. */
  #grows = false;

  constructor(path: string, before: Buffer, growth: number) {
    this.path = path;
    this.history = new History(before, before.length * growth);
    this.log = memfdCreate('sluice-test', MFD_CLOEXEC);
    fallocateNow(this.log, 0, 0, REDO_LOG_BYTES);
  }

  #tick(): number {
    return ++this.#now;
  }

  /**
   * The life of a daemon: it makes the changes of the one before again, carries out the requests of that one that were
   * not answered, and others.
   *
   * @param steps Until it is killed.
   */
  async live(t: ExecutionContext, random: Random, kind: Kind, steps: number): Promise<void> {
    const chain = openChain(this.path, { format: 'qcow2', backingFormats: [], snapshot: null });
    fuse = steps;
    this.#grows = random.oneIn(2);
    try {
      const { image } = chain.layers[0]!;
      const report = { info: () => {}, warn: () => {} };
      const writing = await image.prepareWriting!(report, this.log);
      const { files, layers, methods } = layerConfigs(chain);
      const engine = new LateEngine();
      const edits = files.map((file, index) => (index === 0 ? file.edit() : null));
      const handles = files.map(({ descriptor }, index) => {
        return engine.add({ descriptor: edits[index]?.descriptor ?? descriptor, inMemory: true });
      });
      const inflations: InflateCall[] = [];
      const inflateCalls = new InflateCalls((call) => inflations.push(call));
      const running = new Map<number, Running>();
      const ready: { request: number; result: number }[] = [];
      const mappings = new Mappings();
      const config = {
        ...{ files: [], layers, methods, writing, redo: this.log },
        ...{ alignment: 1, blockDevice: false, growable: true, cacheBytes: 1 << 20 },
      };
      const memory = new Memory(CAPACITY, MEMORY);
      const driver = makeDriver(config, handles, {
        ...{ engine, memory, inflateCalls, mappings },
        resume: (request) => ready.push({ request, result: 0 }),
        slotOf: slotOffset,
        watch: () => {
          const before = [...running.values()];
          return () => before.every((one) => ![...running.values()].includes(one));
        },
      });
      const go = (request: number, result: number): void => {
        const { task, write } = running.get(request)!;
        let step = task.next(result);
        while (!step.done && step.value !== PENDING) step = task.next(step.value);
        if (!step.done) return;
        running.delete(request);
        t.true(step.value >= 0, `errno ${-step.value}`);
        if (write === null) return;
        write.answered = this.#tick();
        write.open = false;
      };
      // The kernel sends them again.
      const again = this.history.writes.filter((one) => one.open);
      try {
        for (;;) {
          const request = [...Array(REQUESTS).keys()].find((one) => !running.has(one));
          if (request !== undefined && !random.oneIn(3)) {
            const begun = this.#begin(driver, request, random, kind, again.shift());
            if (begun !== null) {
              running.set(request, begun);
              go(request, 0);
            }
          }
          for (const call of inflations.splice(0)) {
            const cluster = await inflate(call.method, call.bytes, call.clusterBytes);
            inflateCalls.ended(call.request, cluster);
            ready.push({ request: call.request, result: 0 });
          }
          for (const { request, result } of ready.splice(0)) go(request, result);
          if (engine.calls.length === 0) continue;
          const [call] = engine.calls.splice(random.below(engine.calls.length), 1);
          burn();
          go(call!.request, call!.make());
        }
      } finally {
        fuse = Number.POSITIVE_INFINITY;
        // What is under way goes on without the process.
        for (const call of engine.calls) if (random.oneIn(2)) call.make();
        for (const edit of edits) edit?.close();
        mappings.release();
      }
    } catch (error) {
      if (!(error instanceof Killed)) throw error;
    } finally {
      fuse = Number.POSITIVE_INFINITY;
      chain.close();
    }
  }

  /** A request that begins; null: it would meet another one. */
  #begin(
    driver: Driver,
    request: number,
    random: Random,
    kind: Kind,
    again: Write | undefined,
  ): Running | null {
    if (again === undefined && random.oneIn(12)) {
      return { task: driver.flush(request, false), write: null };
    }
    const write = again ?? this.#newWrite(driver, random, kind);
    if (write === null) return null;
    const { offset, length, version } = write;
    if (version === ZEROS) {
      return { task: driver.allocate(request, PUNCH, offset, length), write };
    }
    const source = slotOffset(REQUESTS + request) + SLOT_DATA;
    stamp(Buffer.from(MEMORY.buffer, source, length), offset, length, version);
    return { task: whole(driver, request, offset, length, source), write };
  }

  #newWrite(driver: Driver, random: Random, kind: Kind): Write | null {
    const { history } = this;
    const { lockUnit } = driver;
    const unit = [ATOM, 512, 4096, 65536][random.below(4)]!;
    const isAlone = !history.isBusy(0, history.limit);
    if (this.#grows && !isAlone) return null;
    const most = this.#grows ? history.limit : history.size;
    const least = this.#grows ? Math.floor(history.size / unit) : 0;
    const offset = (least + random.below(Math.ceil(most / unit) - least)) * unit;
    this.#grows = false;
    const length = Math.min(unit * (1 + random.below(8)), kind.longest, most - offset);
    const from = offset - (offset % lockUnit);
    const to = Math.ceil((offset + length) / lockUnit) * lockUnit;
    if (length <= 0 || history.isBusy(from, to - from)) return null;
    const zeros = random.oneIn(5) && offset + length <= driver.size;
    const version = zeros ? ZEROS : ++this.#version;
    const answered = Number.POSITIVE_INFINITY;
    const write = { offset, length, version, sent: this.#tick(), answered, open: true };
    history.writes.push(write);
    return write;
  }

  /** Nothing that was answered is missing, and no cluster is lost. */
  async check(t: ExecutionContext, what: string): Promise<void> {
    const check = checkQcow(readFileSync(this.path));
    t.deepEqual(check, { leaks: 0, broken: null }, what);
    const read = await readImage(this.path, { format: 'qcow2' });
    t.is(this.history.checkWhole(read, this.#now, this.#now), null, what);
  }

  /** Opens the image as the next daemon does, and does no more. */
  async recover(): Promise<void> {
    const chain = openChain(this.path, { format: 'qcow2', backingFormats: [], snapshot: null });
    try {
      await chain.layers[0]!.image.prepareWriting!({ info: () => {}, warn: () => {} }, this.log);
    } finally {
      chain.close();
    }
  }
}

function* whole(
  driver: Driver,
  request: number,
  offset: number,
  length: number,
  source: number,
): Task {
  for (let done = 0; done < length; ) {
    const got = yield* driver.write(request, offset + done, length - done, source + done);
    if (got <= 0) return got === 0 ? -5 : got;
    done += got;
  }
  return length;
}

for (const [number, kind] of KINDS.entries()) {
  // A write to many small clusters takes many steps.
  const most = kind.longest < 2 ** 15 ? 2500 : 600;
  qemuTest(
    `daemons are killed, and nothing that was answered is lost: ${kind.title}`,
    async (t) => {
      for (let round = 0; round < ROUNDS; round++) {
        const random = new Random(round, number);
        const maker = new Maker(tempFolder(t, TMPFS));
        kind.make(maker);
        const path = maker.path('top.qcow2');
        const victim = new Victim(
          path,
          await readImage(path, { format: 'qcow2' }),
          kind.growth ?? 1,
        );
        t.teardown(() => closeSync(victim.log));
        for (let life = 0; life < LIVES; life++) {
          // The first steps are those that make changes again.
          await victim.live(t, random, kind, random.below(random.oneIn(3) ? 20 : most));
          if (!random.oneIn(2)) continue;
          await victim.recover();
          await victim.check(t, `round ${round}, life ${life}`);
        }
        await victim.recover();
        await victim.check(t, `round ${round}, at the end`);
        const { code, stdout } = await run('qemu-img', ['check', '-f', 'qcow2', path]);
        t.is(code, 0, stdout);
      }
    },
  );
}
