import { execFile } from 'node:child_process';
import { appendFileSync, closeSync, openSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import * as abi from '../../src/fuse/abi.js';
import type { LayerConfig } from '../../src/image/image-config.js';
import type { WritePart } from '../../src/image/qcow2/read-for-writing.js';
import type { DiskConfig } from '../../src/plane/disk.js';
import type { DiskOptions } from '../../src/server/config.js';
import { openDisks } from '../../src/server/open-disks.js';
import type { OpenImages } from '../../src/server/open-images.js';
import type { Mapping } from '../../src/sys/memory.js';
import { Random } from '../exerciser/random.js';
import type { Coverage } from './coverage.js';
import { Image, type Steps } from './disks.js';
import { copyPacked, readPacked, writePacked } from './far-files.js';
import type { HostFiles } from './host-files.js';
import { lacksRoom } from './host-plan.js';
import { outside } from './image-orders.js';
import { checkMoment, type Stretch } from './moments.js';
import { restoreOverlay } from './overlays.js';
import { makePlan, type Plan, type SessionPlan, type Wishes } from './plan.js';
import { TEMPLATES } from './plan-images.js';
import { cutOff, wholeBlocks } from './power-cut.js';
import { checkQcow, onlyEndsEarly } from './qcow-check.js';
import * as body from './requests.js';
import { ask, Gone, type Scene } from './scene.js';
import { type Outcome, Session } from './session.js';
import { endSession } from './spare-memory.js';
import { countTasks } from './task-coverage.js';
import { bytesOf } from './templates.js';
import { Failure, World } from './world.js';

const runFile = promisify(execFile);
const MIB = 1 << 20;
const UNCHANGED = Buffer.alloc(0);
const QUIET = { info() {}, warn() {}, error() {} };
/** A device that has an image at its beginning is this much longer. */
const DEVICE_BYTES = 4 << 20;
/** Sessions of up to so many images are looked at as of this many moments. */
const WATCHED_MAX = 4;
const MOMENTS = 3;
const MOMENTS_AT_HEADERS = 10;
/** One run of this many is judged by qemu-img, too. */
const JUDGE_EVERY = 60;

/** Room for the bytes of a file or a disk, larger than any: memory of its own for each would take longer than the run. */
const scratch = Buffer.alloc(64 * MIB);

/** The bytes of a file, until the next call. */
function readAll(path: string): Buffer {
  const descriptor = openSync(path, 'r');
  try {
    return readPacked(descriptor, scratch);
  } finally {
    closeSync(descriptor);
  }
}

/** What runs need, and what they leave. */
export interface Bench {
  /** From `makeTemplates`. */
  folder: string;
  /** Of `mapMemory`. */
  mapping: Mapping;
  coverage: Coverage;
  /** Takes a line for each thing that happens; null: nobody wants them. */
  trace: ((text: string) => void) | null;
}

/**
 * Runs one seed. Throws a Failure, or the error of the code under test.
 * @returns The number of the host's operations.
 */
export async function runSeed(seed: number, bench: Bench, wishes: Wishes = {}): Promise<number> {
  const { folder } = bench;
  countTasks(bench.coverage);
  const plan = makePlan(seed, wishes);
  const images = plan.images.map((image, index) => {
    const template = TEMPLATES[image.template]!;
    const home = join(folder, String(image.template));
    const path = join(home, `run-${process.pid}-${index}`);
    copyPacked(join(home, 'top'), path, template.kind?.far === true);
    if (image.onDevice) appendFileSync(path, Buffer.alloc(DEVICE_BYTES, 0xdb));
    return new Image(image, template, path, bytesOf(home));
  });
  try {
    for (const { template } of images) bench.coverage.add(`image ${template.title}`);
    const run = new Run(plan, images, bench);
    for (const [number, session] of plan.sessions.entries()) await run.session(session, number);
    return run.operations;
  } finally {
    for (const image of images) {
      image.contents.free();
      rmSync(image.path, { force: true });
    }
  }
}

class Run {
  /** Operations of the host. */
  operations = 0;
  readonly #plan: Plan;
  readonly #images: readonly Image[];
  readonly #mapping: Mapping;
  readonly #coverage: Coverage;
  readonly #world = new World();
  readonly #random: Random;
  readonly #moments: Random;
  /** Clusters that have leaked. */
  readonly #leaks = new Map<Image, number>();

  constructor(plan: Plan, images: readonly Image[], { mapping, coverage, trace }: Bench) {
    this.#plan = plan;
    this.#images = images;
    this.#mapping = mapping;
    this.#coverage = coverage;
    this.#random = new Random(plan.seed, 2);
    this.#moments = new Random(plan.seed, 6);
    if (trace !== null) this.#world.trace = (text) => trace(`${this.#world.nowNs} ${text}`);
  }

  /** One mount, and a look at what it has left. */
  async session(plan: SessionPlan, number: number): Promise<void> {
    const { seed } = this.#plan;
    endSession();
    this.#forgetMarks();
    if (plan.tight !== null) this.#coverage.add(`tight ${plan.tight}`);
    const options = { ...this.#options(plan.readOnly), keeper: plan.deaths.length > 0 };
    const opened = await openDisks(options, QUIET);
    const isCut = plan.end === 'power cut' && !plan.readOnly;
    const isWatched = isCut || (!plan.readOnly && this.#images.length <= WATCHED_MAX);
    const configs = this.#configs(opened, plan);
    let outcome: Outcome;
    const from = this.#world.tick();
    for (const at of plan.late) await opened.release(this.#images[at]!.plan.name);
    const disks = {
      images: opened,
      options,
      configure: (disk: DiskConfig) => this.#config(disk, plan),
      imageNamed: (name: string) => this.#images.find((one) => one.plan.name === name),
    };
    const session = new Session(
      plan,
      seed + 104_729 * number,
      this.#world,
      this.#coverage,
      this.#images,
      configs,
      disks,
      this.#mapping,
    );
    try {
      outcome = await outside(() => session.run(isWatched ? this.#images : []));
      this.operations += outcome.files.operations;
    } finally {
      opened.close();
    }
    for (const image of this.#images) {
      image.reset();
      if (image.plan.overlaid) restoreOverlay(image);
      if (!outcome.isFlushed || image.isSpoiled) image.mayLeak = true;
      image.lostAt = outcome.files.lostAt(image.plan.name);
    }
    for (const image of this.#images) {
      image.hasLost ||= image.lostAt > 0;
      image.mayEndEarly ||= image.lostAt > 0 && lacksRoom(plan.host, outcome.files.given);
    }
    const atHeaders = plan.tight === 'barriers';
    const stretch = { from, to: this.#world.tick(), atHeaders };
    for (let i = 0; i < (atHeaders ? MOMENTS_AT_HEADERS : MOMENTS) && isWatched; i++) {
      this.#checkMoment(outcome.files, stretch);
    }
    if (isCut) this.#cutPower(outcome.files);
    await this.#verify(plan, outcome);
  }

  /** Looks at one image as of some moment. What the host has forgotten is uncertain then and later. */
  #checkMoment(files: HostFiles, stretch: Stretch): void {
    const image = this.#images[this.#moments.below(this.#images.length)]!;
    const record = files.recordOf(image.plan.name);
    if (image.lostAt > 0 || record.before === null) return;
    const from = Math.max(stretch.from, record.since);
    checkMoment(image, record.before, record, { ...stretch, from }, this.#moments);
  }

  #forgetMarks(): void {
    for (const image of this.#images) image.forgetMarks();
  }

  #open(readOnly: boolean): Promise<OpenImages> {
    return openDisks(this.#options(readOnly), QUIET);
  }

  #options(readOnly: boolean): DiskOptions {
    const growable = this.#images.some((image) => image.plan.growable);
    const hasTable = this.#images.some(({ template }) => template.partitions.length > 0);
    return {
      ...{ readOnly, owner: null, mode: null, growable, direct: false, metadataCache: 0 },
      passthrough: [],
      nbd: { timeoutMs: 0, connections: 1 },
      partitions: hasTable ? { sectorSize: null } : null,
      images: this.#images.map(({ plan: { name }, path, format }) => {
        return { name, path, format, backingFormats: [], snapshot: null };
      }),
    };
  }

  /** As a mount's, on a disk instead of in memory, with the plan's alignment and the views. */
  #configs({ disks }: OpenImages, plan: SessionPlan): DiskConfig[] {
    const whole = disks.map((found) => this.#config(found, plan));
    const views = this.#images.flatMap(({ plan }, index) =>
      plan.views.map((view) => ({ ...whole[index]!, ...view })),
    );
    return [...whole, ...views];
  }

  #config(found: DiskConfig, { alignment }: SessionPlan): DiskConfig {
    const { plan } = this.#images.find((one) => one.plan.name === found.name)!;
    const disk = plan.onDevice ? asOnDevice(found) : found;
    const files = disk.image.files.map((file) => ({ ...file, inMemory: false }));
    const growable = disk.growable && plan.growable;
    const image = { ...disk.image, files, alignment, growable };
    return { ...disk, growable, image };
  }

  /** The power fails: of what was not synced anything may be there, in any order. */
  #cutPower(files: HostFiles): void {
    for (const image of this.#images) {
      const record = files.recordOf(image.plan.name);
      const at = this.#world.tick();
      const after = cutOff(record.before ?? UNCHANGED, record, 0, at, this.#random);
      if (record.before === null) continue;
      writePacked(image.path, wholeBlocks(after, image.plan.unit), image.isFar);
    }
  }

  /** Opens the images again, reads all of them, and compares. */
  async #verify(plan: SessionPlan, outcome: Outcome): Promise<void> {
    const isCut = plan.end === 'power cut';
    // Only what the data plane had in memory is lost with it. Of an image without metadata that is nothing.
    // An image that was detached is whole, whatever has become of the mount.
    const detached = new Set(this.#images.filter(({ stay }) => stay === null));
    const isWhole = (image: Image): boolean => {
      if (image.isInPlace && !isCut && !outcome.lacksWrites(image)) return true;
      return !image.isSpoiled && (detached.has(image) || outcome.isFlushed);
    };
    this.#checkRefcounts(isWhole);
    const isJudged = this.#isJudged();
    if (isJudged) await this.#judge();
    const options = this.#options(true);
    const opened = await openDisks(options, QUIET);
    const configs = this.#configs(opened, { ...plan, alignment: 1 });
    const until = this.#world.tick();
    const reader = new Session(
      quietPlan(plan),
      this.#plan.seed,
      this.#world,
      this.#coverage,
      this.#images,
      configs,
      { images: opened, options, configure: (disk) => disk, imageNamed: () => undefined },
      this.#mapping,
      (scene) => this.#readAll(scene, isWhole, until),
    );
    try {
      await outside(() => reader.run([]));
    } finally {
      opened.close();
    }
    if (isJudged) await this.#compare();
  }

  #isJudged(): boolean {
    return this.#random.oneIn(JUDGE_EVERY) || this.#plan.judge;
  }

  /** qemu-img reads the same bytes. */
  async #compare(): Promise<void> {
    for (const image of this.#images.filter(({ template }) => template.kind !== null)) {
      const bytes = `${image.path}.bytes`;
      const { qemu = 'qcow2' } = image.template.kind!;
      await runFile('qemu-img', ['convert', '-f', qemu, '-O', 'raw', image.path, bytes]);
      const read = readAll(bytes);
      rmSync(bytes);
      if (read.equals(image.contents.settled(read.length)) && read.length === image.least) continue;
      throw new Failure(`${image.plan.name} (${image.template.title}): qemu-img reads other bytes`);
    }
  }

  *#readAll(scene: Scene, isWhole: (image: Image) => boolean, until: number): Steps {
    try {
      for (const [index, image] of this.#images.entries()) {
        const disk = scene.disks[index]!;
        let offset = 0;
        for (;;) {
          const asked = yield* ask(scene, {
            opcode: abi.READ,
            node: disk.node,
            body: body.ioBody(disk.handle, offset, 256 << 10),
          });
          if (asked.error !== 0)
            throw new Failure(`${image.plan.name} cannot be read: ${asked.error}`);
          if (asked.payload.length === 0) break;
          scratch.set(asked.payload, offset);
          offset += asked.payload.length;
        }
        const bytes = scratch.subarray(0, offset);
        const isAll = isWhole(image);
        this.#checkSize(image, bytes.length, isAll);
        const certain = isAll ? until : image.syncedBefore(until);
        const lost = isAll ? 0 : image.lostAt;
        const fault = image.contents.check(bytes, 0, certain, until, lost);
        if (fault !== null) {
          const when = isAll ? 'after the end' : 'after a sudden end';
          throw new Failure(`${image.plan.name} (${image.template.title}) ${when}: ${fault}`);
        }
        image.contents.settle(bytes);
        image.settleSize(bytes.length);
      }
    } catch (error) {
      if (!(error instanceof Gone)) throw error;
      throw new Failure('the daemon went away while all was read');
    }
  }

  #checkSize(image: Image, size: number, isWhole: boolean): void {
    const { least } = image;
    const most = isWhole ? image.most : image.largest;
    if (size <= most && (size >= least || !isWhole)) return;
    throw new Failure(`${image.plan.name} has ${size} bytes, not ${least} to ${most}`);
  }

  /** Each cluster is counted, and none has leaked since the last sudden end. */
  #checkRefcounts(isWhole: (image: Image) => boolean): void {
    for (const image of this.#images.filter(({ format }) => format === 'qcow2')) {
      const check = checkQcow(readAll(image.path), image.isFar);
      // Repaired images have no leaks.
      const { leaks, broken } = check ?? { leaks: 0, broken: null };
      const name = `${image.plan.name} (${image.template.title})`;
      if (broken !== null) throw new Failure(`${name}: the cluster at ${broken} is not counted`);
      const before = this.#leaks.get(image) ?? 0;
      if (isWhole(image) && leaks > before) {
        throw new Failure(`${name}: ${leaks - before} clusters have leaked`);
      }
      this.#leaks.set(image, leaks);
    }
  }

  /** qemu-img finds nothing wrong. After a sudden end clusters may have leaked, and nothing else. */
  async #judge(): Promise<void> {
    for (const image of this.#images) {
      if (image.format !== 'qcow2' || image.template.kind?.endsEarly) continue;
      // After a failure lazy refcounts are wrong and the image says so: opening it repairs it.
      if ((readAll(image.path)[79]! & 1) !== 0) {
        const opened = await this.#open(false);
        opened.close();
      }
      this.#coverage.add('judged by qemu-img');
      const words = ['check', '-q', '-f', 'qcow2', image.path];
      const { code, text } = await runFile('qemu-img', words).then(
        () => ({ code: 0, text: '' }),
        (error) => ({ code: Number(error.code), text: `${error.stdout}${error.stderr}` }),
      );
      // 3: leaked clusters and nothing else.
      if (code === 0 || (code === 3 && image.mayLeak)) continue;
      if (image.mayEndEarly && onlyEndsEarly(text)) continue;
      throw new Failure(`${image.plan.name} (${image.template.title}): qemu-img check: ${text}`);
    }
  }
}

/** The configuration of a disk, changed for an image on a block device. */
function asOnDevice(disk: DiskConfig): DiskConfig {
  const writing = disk.image.writing as WritePart | null;
  if (writing === null) return disk;
  const [top, ...others] = disk.image.layers as [LayerConfig, ...LayerConfig[]];
  const deviceEnd = top.hostSize - DEVICE_BYTES;
  const image = { ...disk.image, blockDevice: true, writing: { ...writing, deviceEnd } };
  return { ...disk, image: { ...image, layers: [top, ...others] } };
}

/** A session without faults, limits or haste. */
function quietPlan(plan: SessionPlan): SessionPlan {
  const host = {
    ...plan.host,
    ...{ faults: 0, failing: 0, forever: false, shorts: 0, stuck: 0, refusals: 0, plain: false },
    ...{ usualNs: 1000, longestNs: 2000, flushNs: 1000, room: Infinity, alignment: 1 },
  };
  return {
    ...plan,
    ...{ readOnly: true, alignment: 1, depth: 256, groups: 0, host, callers: [] },
    ...{ capacity: { requests: 512, inFlight: 32, receives: 8, poolBytes: MIB }, queues: 0 },
    ...{ end: 'umount', endNs: Infinity, disturbances: [], initNs: 0, weights: null, late: [] },
    ...{ remote: null, tight: null },
    handOvers: [],
    deaths: [],
  };
}
