import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { Memory } from '../../src/buffers/memory.js';
import { Dispatcher } from '../../src/fuse/dispatch.js';
import type { LayerConfig } from '../../src/image/image-config.js';
import { inflate } from '../../src/image/inflate.js';
import { type InflateCall, InflateCalls } from '../../src/image/inflate-calls.js';
import type { WritePart } from '../../src/image/qcow2/read-for-writing.js';
import { assemble } from '../../src/plane/assemble.js';
import type { Disk, DiskConfig } from '../../src/plane/disk.js';
import type { Plane } from '../../src/plane/plane.js';
import { openDisks } from '../../src/server/open-disks.js';
import type { Random } from '../../tools/exerciser/random.js';
import {
  ATOM,
  type Growth,
  History,
  roundUpToSector,
  stamp,
  type Write,
  ZEROS,
} from '../formats/history.js';
import {
  allocateBody,
  DISK,
  FALLOCATE,
  FSYNC,
  ioBody,
  READ,
  SETATTR,
  truncateBody,
  WRITE,
  writeBody,
} from '../plane/bench.js';
import { writeRequest } from '../plane/fake-host.js';
import { type Ending, RecordingHost } from './recording-host.js';

const PUNCH = 0x02 | 0x01;
const ZERO_RANGE = 0x10 | 0x01;
const EPERM = 1;
const EIO = 5;
const QUIET = { info() {}, warn() {}, error() {} };

/** Opens an image for writing as a mount does, which repairs an image that is marked as dirty. */
export function openImage(path: string, growable = false) {
  return openDisks(
    {
      ...{ readOnly: false, owner: null, mode: null, growable, direct: false, metadataCache: 0 },
      passthrough: [],
      nbd: { timeoutMs: 0, connections: 1 },
      partitions: null,
      images: [{ name: 'top', path, format: 'qcow2', backingFormats: [], snapshot: null }],
    },
    QUIET,
  );
}

/** Shared, because it takes 1.3 GiB of address space. Each session gives everything back. */
const memory = new Memory();

/** The settings of a session. */
export interface Plan {
  /** Path of the image. The session changes it. */
  image: string;
  /** The contents of the disk. */
  raw: Buffer;
  /** Offsets, lengths and addresses of host I/O are multiples of this. */
  alignment: number;
  ending: Ending;
  /** Number of requests, and how many at the same time. */
  requests: number;
  depth: number;
  /** Largest write, bytes. */
  longest: number;
  /** The disk may grow to this many bytes by writes and truncate; 0: it does not grow. */
  growth: number;
  /** The image lies on a device of this many bytes, full of old data; 0: it is a file. */
  device: number;
  /** One in so many operations of the host fails; 0: none. */
  faults: number;
  /** This one operation of the host fails, counted from 1; missing: none. */
  failing?: number;
}

/** The configuration of a disk, changed for an image on a device. */
function asOnDevice(disk: DiskConfig, { device }: Plan): DiskConfig {
  if (device === 0) return disk;
  const { image } = disk;
  const [top, ...others] = image.layers as [LayerConfig, ...LayerConfig[]];
  const writing = { ...(image.writing as WritePart), deviceEnd: top.hostSize };
  const layers = [{ ...top, hostSize: device }, ...others];
  return { ...disk, image: { ...image, layers, writing, blockDevice: true } };
}

/** An answered flush: writes answered before it was sent are on the disk. */
interface Synced {
  sent: number;
  answered: number;
}

interface Open {
  kind: 'read' | 'write' | 'sync' | 'grow';
  sent: number;
  write: Write | null;
  offset: number;
  growth: Growth | null;
}

/** A data plane over an image with random requests. Host operations end in random order. */
export class Session {
  readonly plan: Plan;
  readonly history: History;
  readonly host: RecordingHost;
  readonly syncs: Synced[] = [];
  /** Operations of the host so far, where one of them is to fail. */
  operations = 0;
  /** The image's own file before the session. */
  readonly before: Buffer;
  readonly #random: Random;
  readonly #plane: Plane;
  readonly #dispatcher: Dispatcher;
  readonly #disks: readonly Disk[];
  readonly #inflations: InflateCall[] = [];
  readonly #inflateCalls = new InflateCalls((call) => this.#inflations.push(call));
  readonly #open = new Map<number, Open>();
  readonly #end: () => void;
  #unique = 0;
  #version = 0;

  static async begin(plan: Plan, random: Random): Promise<Session> {
    const disks = await openImage(plan.image, plan.growth > 0);
    return new Session(plan, random, disks.disks, () => disks.close());
  }

  private constructor(plan: Plan, random: Random, disks: DiskConfig[], close: () => void) {
    this.plan = plan;
    this.#random = random;
    this.history = new History(plan.raw, plan.growth);
    this.before = readFileSync(plan.image);
    if (plan.device > 0) {
      const garbage = Buffer.alloc(plan.device - this.before.length, 0xdb);
      this.before = Buffer.concat([this.before, garbage]);
      writeFileSync(plan.image, this.before);
    }
    const scratch = openSync(`${plan.image}.scratch`, 'w+');
    this.#end = () => {
      closeSync(scratch);
      close();
    };
    const { alignment, ending } = plan;
    const configs = disks.map((disk) => {
      const config = asOnDevice(disk, plan);
      return { ...config, image: { ...config.image, alignment } };
    });
    this.host = new RecordingHost(memory, alignment, ending, scratch);
    const config = { disks: configs, groups: [], assignments: [], about: '', depth: 256 };
    const io = { engine: this.host, memory, inflateCalls: this.#inflateCalls };
    const { plane, tree, images } = assemble(config, io, { info: () => {}, warn: () => {} });
    this.#disks = images.wholes;
    this.#plane = plane;
    this.#dispatcher = new Dispatcher({
      memory,
      disks: this.#plane,
      tree,
      wire: this.host,
      owner: { uid: 0, gid: 0 },
      pageCache: false,
      initialised: () => {},
      trace: null,
    });
    this.#plane.connect(this.#dispatcher);
    if (this.#mayFail) this.host.fault = (kind) => this.#fault(kind);
  }

  /** Runs to the end. Throws if a read returns impossible contents or a resource is not given back. */
  async run(): Promise<void> {
    let left = this.plan.requests;
    for (;;) {
      const { pending } = this.host;
      // In some phases requests pile up, in others they drain.
      const eager = Math.floor(left / 16) % 2 === 0 ? 70 : 30;
      const idle = pending.length + this.#inflations.length === 0;
      if (
        left > 0 &&
        this.#open.size < this.plan.depth &&
        (idle || this.#random.below(100) < eager)
      ) {
        left--;
        this.#send();
      } else if (this.#inflations.length > 0) await this.#inflate();
      else if (pending.length > 0) this.#perform();
      else if (left === 0) break;
      this.#collect();
    }
    if (this.#open.size > 0) throw new Error(`${this.#open.size} requests are not answered`);
    if (this.#plane.requests.count !== 0) throw new Error('requests stay behind');
  }

  /** Ends cleanly: writes all metadata and closes the files. */
  finish(): void {
    this.host.fault = () => null;
    try {
      // Injected faults do not count as losses here.
      for (const { image } of this.#disks) image.losses.errno = 0;
      this.#plane.startLastFlush();
      while (this.host.pending.length > 0) this.#perform();
      const { lastFlush, requests } = this.#plane;
      if (lastFlush.unflushed.length > 0) throw new Error('the last flush failed');
      if (requests.count > 0) throw new Error('the last flush has not ended');
    } finally {
      this.#end();
    }
  }

  /** The time up to which answered writes are certain if the power fails at `at`. */
  syncedAt(at: number): number {
    return Math.max(0, ...this.syncs.filter((one) => one.answered <= at).map(({ sent }) => sent));
  }

  get #mayFail(): boolean {
    return this.plan.faults > 0 || this.plan.failing !== undefined;
  }

  #fault(kind: string): number | null {
    if (kind === 'reply') return null;
    const { faults, failing } = this.plan;
    if (failing !== undefined) return ++this.operations === failing ? -EIO : null;
    if (!this.#random.oneIn(faults)) return null;
    return this.#random.oneIn(2) ? -28 : -5;
  }

  #send(): void {
    const choice = this.#random.below(100);
    if (choice < 4 && this.plan.growth > 0) this.#sendGrow();
    else if (choice < 14) this.#submit(FSYNC, new Uint8Array(16), 'sync', null, 0);
    else if (choice < 24) this.#sendRead();
    else this.#sendWrite(choice);
  }

  #sendGrow(): void {
    const { history } = this;
    const more = Math.ceil(this.#random.below(history.limit - history.size + 1) / 4);
    const size = history.size + more;
    const sent = this.host.record.tick();
    const growth = { size: roundUpToSector(size), sent, answered: Number.POSITIVE_INFINITY };
    history.growths.push(growth);
    const body = truncateBody(size);
    this.#submit(SETATTR, body, 'grow', null, 0, growth);
  }

  #sendRead(): void {
    const { offset, length } = this.#range(false);
    this.#submit(READ, ioBody(offset, length), 'read', null, offset);
  }

  #sendWrite(choice: number): void {
    const zeros = choice < 44;
    const { offset, length } = this.#range(!zeros);
    if (this.history.isBusy(offset, length)) return;
    const version = zeros ? ZEROS : ++this.#version;
    const sent = this.host.record.tick();
    const write = { offset, length, version, sent, answered: Number.POSITIVE_INFINITY, open: true };
    this.history.writes.push(write);
    if (zeros) {
      const body = allocateBody(choice < 34 ? PUNCH : ZERO_RANGE, offset, length);
      this.#submit(FALLOCATE, body, 'write', write, offset);
      return;
    }
    const payload = Buffer.alloc(length);
    stamp(payload, offset, length, version);
    this.#submit(WRITE, writeBody(offset, payload), 'write', write, offset);
  }

  /** A range of whole atoms. Most ranges are short and close to each other, some are whole clusters. */
  #range(mayGrow: boolean): { offset: number; length: number } {
    const random = this.#random;
    const { longest } = this.plan;
    const { history } = this;
    // Some writes begin or end past the end.
    const grows = mayGrow && history.limit > history.size && random.oneIn(8);
    const size = grows ? Math.min(history.limit, history.size + longest) : history.size;
    const unit = [ATOM, 512, 4096, 65536][random.below(4)]!;
    const most = Math.max(1, Math.floor(longest / unit));
    const length =
      unit * (1 + (random.oneIn(3) ? random.below(most) : random.below(Math.min(4, most))));
    const area = random.oneIn(2) ? size : Math.min(size, 16 * longest);
    const offset = random.below(Math.ceil(area / unit)) * unit;
    return { offset, length: Math.min(length, size - offset) };
  }

  #submit(
    opcode: number,
    body: Uint8Array,
    kind: Open['kind'],
    write: Write | null,
    offset: number,
    growth: Growth | null = null,
  ): void {
    this.#unique += 2;
    this.#open.set(this.#unique, { kind, sent: this.host.record.tick(), write, offset, growth });
    const slot = memory.takeSlot();
    this.#plane.beginTurn(1e9);
    const bytes = writeRequest(memory, slot, opcode, this.#unique, DISK, body);
    this.#dispatcher.received(slot, bytes);
    this.#plane.endTurn();
  }

  #perform(): void {
    const done = this.host.perform(this.#random.below(this.host.pending.length));
    this.#plane.beginTurn(1e9);
    if (done.replied) this.#dispatcher.replied(done.request);
    else this.#plane.completed(done.request, done.result);
    this.#plane.endTurn();
  }

  async #inflate(): Promise<void> {
    const index = this.#random.below(this.#inflations.length);
    const [call] = this.#inflations.splice(index, 1) as [InflateCall];
    const cluster = await inflate(call.method, call.bytes, call.clusterBytes);
    this.#inflateCalls.ended(call.request, cluster);
    this.#plane.beginTurn(1e9);
    this.#plane.completed(call.request, 0);
    this.#plane.endTurn();
  }

  /** Processes the answers that have arrived. */
  #collect(): void {
    for (const [unique, { error, payload }] of this.host.replies) {
      const open = this.#open.get(unique)!;
      this.#open.delete(unique);
      const { kind, sent, write, offset, growth } = open;
      // EPERM is right if another request has made the disk longer meanwhile: a disk does not shrink.
      const late = growth !== null && error === -EPERM && growth.size < this.history.sizeSent;
      if (error !== 0 && !this.#mayFail && !late) {
        throw new Error(`${kind} at ${offset}: ${error}`);
      }
      const now = this.host.record.tick();
      if (write !== null) {
        write.open = false;
        if (error === 0) this.#settle(write, payload, now);
      } else if (growth !== null) {
        if (error === 0) growth.answered = now;
      } else if (error !== 0) continue;
      else if (kind === 'sync') this.syncs.push({ sent, answered: now });
      else {
        const wrong = this.history.check(Buffer.from(payload), offset, sent, now);
        if (wrong !== null) throw new Error(`a read: ${wrong}`);
      }
    }
    this.host.replies.clear();
  }

  /** Records a short write after a host error: the answered length is written, the rest is unknown. */
  #settle(write: Write, payload: Uint8Array, now: number): void {
    const isZeros = write.version === ZEROS;
    const written = isZeros ? write.length : new DataView(payload.buffer).getUint32(0, true);
    if (written === write.length) write.answered = now;
    else if (!this.#mayFail) {
      throw new Error(`a write of ${write.length} wrote ${written}`);
    }
  }
}
