import { IN_FLIGHT_MIN, Memory, REQUESTS } from '../../src/buffers/memory.js';
import { Dispatcher } from '../../src/fuse/dispatch.js';
import { Mappings } from '../../src/image/mappings.js';
import { RawDriver } from '../../src/image/raw/raw-driver.js';
import { sectorSizesFor } from '../../src/partitions/read-table.js';
import { type Disk, type DiskConfig, diskSize, type ServedImage } from '../../src/plane/disk.js';
import { DiskTable } from '../../src/plane/disk-table.js';
import { FlushLosses } from '../../src/plane/flush-losses.js';
import { ImagePartitions } from '../../src/plane/image-partitions.js';
import { Members } from '../../src/plane/members.js';
import { Plane } from '../../src/plane/plane.js';
import { LockTable, RangeLocks } from '../../src/plane/range-locks.js';
import { FREE, NONE } from '../../src/plane/requests.js';
import type { Processes } from '../../src/plane/rules.js';
import { TableNews } from '../../src/plane/table-news.js';
import { Callers } from '../../src/throttle/callers.js';
import { Throttle } from '../../src/throttle/throttle.js';
import { Tree } from '../../src/tree/tree.js';
import {
  FakeFile,
  FakeHost,
  type Mode,
  type Op,
  type OpKind,
  type Reply,
  timesAt,
  writeRequest,
} from './fake-host.js';

/** Stands for /proc: these tests do not look at callers. */
const NO_PROCESSES: Processes = {
  idOf: () => undefined,
  processOf: () => 0,
  startOf: () => '',
  cgroupsOf: () => [],
};

export const FALLOCATE = 43;
export const GETATTR = 3;
export const INIT = 26;
export const INTERRUPT = 36;
export const LSEEK = 46;
export const OPEN = 14;
export const READ = 15;
export const SETATTR = 4;
export const WRITE = 16;
export const FSYNC = 20;

/** Node id of the first disk; the second has the next. */
export const DISK = 2;

export interface BenchOptions {
  /** Contents of the host files. */
  contents: Uint8Array[];
  mode?: Mode;
  alignment?: number;
  depth?: number;
  blockDevice?: boolean;
  /** Disks that show parts of the first file; missing: each file is a disk. */
  views?: readonly { start: number; length: number }[];
  config?: Partial<DiskConfig>;
  /** Show the partitions of the first file. */
  partitions?: boolean;
}

/** Shared by all tests of a file, because it takes much address space; this also makes leaks show. */
const memory = new Memory();

/** A plane between a simulated kernel and simulated host files; the time is a number. */
export class Bench {
  nowNs = 1e9;
  /** The answer to the question whether an interrupted caller is being killed. */
  isBeingKilled = true;
  initialised = 0;
  readonly memory = memory;
  readonly throttle = new Throttle(REQUESTS);
  readonly callers = new Callers();
  readonly table: DiskTable;
  /** As they were made. */
  readonly disks: Disk[];
  readonly host: FakeHost;
  readonly plane: Plane;
  readonly dispatcher: Dispatcher;
  readonly members: Members;
  readonly tree = new Tree();
  /** Warnings about partition tables that are due. */
  readonly tableNews: string[] = [];
  /** ID of the request that was sent last. The next ID is higher by 2. */
  unique = 0;
  /** Entries of `requests` that have been used. */
  #used = 0;

  constructor(options: BenchOptions) {
    const { contents, mode = 'linked', alignment = 1, depth = IN_FLIGHT_MIN } = options;
    const files = contents.map((content) => new FakeFile(content, alignment));
    this.host = new FakeHost(memory, files, mode);
    const disks = new DiskTable();
    this.table = disks;
    const table = new LockTable();
    const members = new Members(this.throttle, NO_PROCESSES);
    this.members = members;
    this.throttle.setDepth(depth, 0);
    const { tree } = this;
    const tableNews = new TableNews((text) => this.tableNews.push(text));
    const { blockDevice = false } = options;
    const status = { allocated: 0, times: timesAt(0) };
    const { readOnly = false, growable = false } = options.config ?? {};
    const images = contents.map(({ length: hostSize }, file): ServedImage => {
      const shared = options.config?.backing !== undefined;
      const raw = { file, hostSize, alignment, blockDevice, shared };
      const mappings = new Mappings();
      const driver = new RawDriver(raw, {
        engine: this.host,
        memory,
        resume: (request) => this.plane.completed(request, 0),
        slotOf: (request) => this.plane.slotOf(request),
        watch: () => this.plane.requests.watch((disk) => disks.disks[disk]?.image === images[file]),
        inflateCalls: null as never,
        mappings,
      });
      const locks = new RangeLocks(table);
      const losses = new FlushLosses();
      const name = `disk${file}`;
      return {
        driver,
        files: [file],
        mappings,
        locks,
        losses,
        name,
        readOnly,
        dirty: false,
        writes: 0,
        partitions: null,
        faults: null,
        status: { ...status, size: 0 },
      };
    });
    const whole = images.map((image) => ({ image, start: 0, length: null }));
    const views = options.views?.map((view) => ({ image: images[0]!, ...view })) ?? whole;
    this.disks = views.map(({ image, start, length }, index): Disk => {
      const name = `disk${index}`;
      tree.addDisk(tree.root, `${name}.raw`, index);
      const config = { name, path: '/disk', format: 'raw', readOnly, growable, mode: 0o600 };
      const disk: Disk = {
        config: {
          ...config,
          device: 0,
          start,
          length,
          image: null as never,
          ...status,
          ...options.config,
        },
        image,
        member: options.config?.backing === undefined ? members.addImage(name) : NONE,
        device: 0,
        partition: null,
        opens: 0,
        pendingOpens: 0,
        writes: 0,
        seen: null,
      };
      disks.add(disk);
      return disk;
    });
    this.plane = new Plane({
      memory,
      disks: disks.disks,
      throttle: this.throttle,
      callers: this.callers,
      engine: this.host,
      isBeingKilled: () => this.isBeingKilled,
      members,
      warn: () => {},
      tableNews,
    });
    if (options.partitions === true) {
      const sectors = sectorSizesFor(null, null);
      const whole = this.disks[0]!;
      const ranges = [{ offset: 0, length: 8192 }];
      whole.image.partitions = new ImagePartitions(
        whole,
        { sectors, table: null, ranges, failure: '' },
        {
          ...{ table: disks, tree, members, memory, news: tableNews },
          slotOf: (request) => this.plane.slotOf(request),
          now: () => this.nowNs,
        },
      );
    }
    this.dispatcher = new Dispatcher({
      memory,
      disks: this.plane,
      tree,
      wire: this.host,
      owner: { uid: 0, gid: 0 },
      pageCache: false,
      initialised: (accepted) => {
        if (accepted) this.initialised++;
      },
      trace: null,
    });
    this.plane.connect(this.dispatcher);
  }

  /** Size of the first disk, bytes. */
  get size(): number {
    return diskSize(this.disks[0]!);
  }

  /** Sends a request in a turn of its own. Returns its ID. */
  send(opcode: number, node: number, body: Uint8Array): number {
    return this.sendAll([[opcode, node, body]])[0]!;
  }

  /** Sends requests in one turn. */
  sendAll(list: readonly (readonly [number, number, Uint8Array])[]): number[] {
    this.plane.beginTurn(this.nowNs);
    const ids = list.map(([opcode, node, body]) => {
      if (this.plane.receivable <= 0) throw new Error('nothing can be received');
      this.unique += 2;
      const slot = memory.takeSlot();
      const bytes = writeRequest(memory, slot, opcode, this.unique, node, body);
      this.dispatcher.received(slot, bytes);
      this.#used = Math.max(this.#used, this.plane.requests.count);
      return this.unique;
    });
    this.#endTurn();
    return ids;
  }

  read(offset: number, length: number, node = DISK): number {
    return this.send(READ, node, ioBody(offset, length));
  }

  write(offset: number, payload: Uint8Array, node = DISK, fromCache = false): number {
    return this.send(WRITE, node, writeBody(offset, payload, fromCache));
  }

  interrupt(unique: number): void {
    const body = new Uint8Array(8);
    new DataView(body.buffer).setUint32(0, unique, true);
    this.send(INTERRUPT, 0, body);
  }

  /** Runs a turn without new requests or completions. */
  turn(nowNs = this.nowNs): void {
    this.nowNs = nowNs;
    this.plane.beginTurn(nowNs);
    this.#endTurn();
  }

  /** Carries out the oldest pending operation of a kind in a turn of its own. */
  step(kind: OpKind, request?: number): void {
    const match = (op: Op) => op.kind === kind && (request === undefined || op.request === request);
    const index = this.host.pending.findIndex(match);
    if (index < 0) throw new Error(`no ${kind} is pending: ${this.pending()}`);
    this.stepAt(index);
  }

  stepAt(index: number): void {
    const [op] = this.host.pending.splice(index, 1);
    const done = this.host.perform(op!);
    this.plane.beginTurn(this.nowNs);
    if (done.kind === 'replied') this.dispatcher.replied(done.request);
    else this.plane.completed(done.request, done.result);
    this.#endTurn();
  }

  /** Carries out all pending operations and those that follow from them, oldest first. */
  run(): void {
    while (this.host.pending.length > 0) this.stepAt(0);
  }

  /** Kinds of the pending operations, for instance `read write+reply`. */
  pending(): string {
    return this.host.pending.map((op) => `${op.kind}${op.link === null ? '' : '+reply'}`).join(' ');
  }

  /** The reply to a request, which must have been sent. */
  reply(unique: number): Reply {
    const reply = this.host.replies.get(unique);
    if (reply === undefined) throw new Error(`request ${unique} is not answered`);
    return reply;
  }

  /** Sends a request, carries everything out, and returns its answer: -errno or payload. */
  answer(opcode: number, node: number, body: Uint8Array): number | Uint8Array {
    return this.#whole(this.send(opcode, node, body));
  }

  readNow(offset: number, length: number): number | Uint8Array {
    return this.#whole(this.read(offset, length));
  }

  /** Writes at once. Returns -errno, or the number of bytes written according to the reply. */
  writeNow(offset: number, payload: Uint8Array, fromCache = false): number {
    return this.written(this.write(offset, payload, DISK, fromCache));
  }

  /** Carries out everything pending. Returns the same for a write that was sent before. */
  written(unique: number): number {
    const answer = this.#whole(unique);
    return typeof answer === 'number' ? answer : new DataView(answer.buffer).getUint32(0, true);
  }

  get inFlight(): number {
    const { inFlight, state } = this.plane.requests;
    let count = 0;
    for (let i = 0; i < this.#used; i++) if (state[i] !== FREE) count += inFlight[i]!;
    return count;
  }

  /** Throws unless all resources have been given back. */
  assertIdle(): void {
    const { plane } = this;
    const left = [
      plane.requests.count,
      memory.slots - memory.freeSlots,
      plane.pooled,
      this.inFlight,
    ];
    if (left.join() !== '0,0,0,0') throw new Error(`requests, slots, payloads, in flight: ${left}`);
  }

  #whole(unique: number): number | Uint8Array {
    this.run();
    const { error, payload } = this.reply(unique);
    return error < 0 ? error : payload;
  }

  #endTurn(): void {
    this.plane.endTurn();
    const { inFlight, slot, state } = this.plane.requests;
    let holding = 0;
    for (let i = 0; i < this.#used; i++) {
      if (state[i] !== FREE && inFlight[i] === 1 && slot[i] !== NONE) holding++;
    }
    if (memory.freeSlots < IN_FLIGHT_MIN - holding) {
      throw new Error(`${memory.freeSlots} slots are free, and ${holding} in flight have one`);
    }
  }
}

/** struct fuse_read_in. */
export function ioBody(offset: number, size: number): Uint8Array {
  const body = new DataView(new ArrayBuffer(40));
  body.setBigUint64(8, BigInt(offset), true);
  body.setUint32(16, size, true);
  return new Uint8Array(body.buffer);
}

/** struct fuse_write_in and the payload. */
export function writeBody(offset: number, payload: Uint8Array, fromCache = false): Uint8Array {
  const body = new Uint8Array(40 + payload.length);
  body.set(ioBody(offset, payload.length));
  body[20] = fromCache ? 1 : 0;
  body.set(payload, 40);
  return body;
}

/** struct fuse_fallocate_in. */
export function allocateBody(mode: number, offset: number, length: number): Uint8Array {
  const body = new DataView(new ArrayBuffer(32));
  body.setBigUint64(8, BigInt(offset), true);
  body.setBigUint64(16, BigInt(length), true);
  body.setUint32(24, mode, true);
  return new Uint8Array(body.buffer);
}

/** struct fuse_setattr_in with a size. */
export function truncateBody(size: number): Uint8Array {
  const body = new DataView(new ArrayBuffer(88));
  body.setUint32(0, 1 << 3, true);
  body.setBigUint64(16, BigInt(size), true);
  return new Uint8Array(body.buffer);
}

/** struct fuse_lseek_in. */
export function seekBody(offset: number, whence: number): Uint8Array {
  const body = new DataView(new ArrayBuffer(24));
  body.setBigUint64(8, BigInt(offset), true);
  body.setUint32(16, whence, true);
  return new Uint8Array(body.buffer);
}
