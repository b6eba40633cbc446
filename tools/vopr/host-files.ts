import { fstatSync, ftruncateSync } from 'node:fs';
import type { SlowCall } from '../../src/host/uring-engine.js';
import { lseekNow } from '../../src/sys/libc.js';
import { bytesAt } from '../../src/sys/memory.js';
import { pread, pwrite } from '../../src/sys/transfer.js';
import * as abi from '../../src/uring/abi.js';
import { TAG_INDEX, TAG_IO } from '../../src/uring/tags.js';
import { ERRNO } from '../../src/util/errno.js';
import type { Random } from '../exerciser/random.js';
import type { Coverage } from './coverage.js';
import { allocateNow, KEEP_SIZE, PUNCH_HOLE, ZERO_RANGE } from './host-allocate.js';
import { HostDelays } from './host-delays.js';
import type { HostFile } from './host-file.js';
import type { HostPlan } from './host-plan.js';
import { type Barrier, type Change, contentOf, HostRecord, tornOf, toSector } from './record.js';
import type { Entry, RingTarget } from './sim-ring.js';
import { takeForSession } from './spare-memory.js';
import type { World } from './world.js';

const SECTOR = 512;
const NAMES: Readonly<Record<number, string>> = {
  [abi.OP_READ]: 'read',
  [abi.OP_WRITE]: 'write',
  [abi.OP_FSYNC]: 'fsync',
  [abi.OP_FALLOCATE]: 'fallocate',
};

/** An operation that is under way. */
interface Pending {
  file: HostFile;
  opcode: number;
  change: Change | null;
  done: (result: number) => void;
}

/** The files behind the images of a run: real ones in memory, with simulated times and faults. */
export class HostFiles {
  /** Operations so far. */
  operations = 0;
  /** Errors and short transfers so far. */
  faults = 0;
  /** Errno numbers that have been given, positive. */
  readonly given = new Set<number>();
  /** By image, and the number of the file among its files. */
  readonly #files = new Map<string, HostFile>();
  /** Those that are open, by descriptor. */
  readonly #open = new Map<number, HostFile>();
  readonly #world: World;
  readonly #plan: HostPlan;
  readonly #coverage: Coverage;
  readonly #randomOf: (operation: number) => Random;
  readonly #pending = new Map<() => number, Pending>();
  /** Bytes of the write or the allocation that has failed last that were made all the same. */
  #torn = 0;
  /** See `failLater`. */
  #failing = 0;
  #room: number;
  readonly #hit: (request: number) => void;
  readonly #delays: HostDelays;

  /** @param hit Called with the number of each request in whose name an operation fails. */
  constructor(
    world: World,
    plan: HostPlan,
    coverage: Coverage,
    randomOf: (operation: number) => Random,
    hit: (request: number) => void,
  ) {
    this.#hit = hit;
    this.#delays = new HostDelays(plan);
    this.#world = world;
    this.#plan = plan;
    this.#room = plan.room;
    this.#coverage = coverage;
    this.#randomOf = randomOf;
  }

  /** An image has opened its files. */
  opened(image: string, descriptors: readonly number[]): void {
    for (const [index, descriptor] of descriptors.entries()) {
      const file = this.#fileNamed(image, index);
      if (this.#open.has(descriptor)) throw this.#world.fail(`${descriptor} is open twice`);
      this.#open.set(descriptor, file);
      this.#lookAt(descriptor, file);
    }
  }

  #lookAt(descriptor: number, file: HostFile): void {
    const { closedAs } = file;
    if (closedAs === null) return;
    file.closedAs = null;
    const bytes = contentOf(descriptor);
    if (!bytes.equals(closedAs)) this.#prepared(descriptor, closedAs, bytes);
  }

  /**
   * The bytes were changed, and synced, while it was opened: it was repaired, or changes were made again. In which steps is not
   * known, so the power does not fail between them.
   */
  #prepared(descriptor: number, before: Buffer, bytes: Buffer): void {
    const { changes, barriers } = this.#fileOf(descriptor).record!.begunWith(descriptor, before);
    const { length } = bytes;
    const now = this.#world.tick();
    const at = { file: 0, issued: now, done: now, failed: false };
    changes.push({ ...at, kind: 'size', offset: length, length: 0, bytes: null });
    changes.push({ ...at, kind: 'write', offset: 0, length, bytes });
    barriers.push({ file: 0, issued: now, done: now });
  }

  /** Another daemon has opened the files of an image, too. They stay open when this one has gone. */
  openedAgain(image: string, descriptors: readonly number[]): void {
    for (const [index, descriptor] of descriptors.entries()) {
      const file = this.#fileNamed(image, index);
      this.#open.set(descriptor, file);
      this.#lookAt(descriptor, file);
    }
  }

  /** A daemon closes its descriptors of files that another one has. */
  left(descriptors: readonly number[]): void {
    for (const descriptor of descriptors) this.#open.delete(descriptor);
  }

  /** Files are closed. */
  closed(descriptors: readonly number[]): void {
    for (const descriptor of descriptors) {
      const file = this.#fileOf(descriptor);
      if (file.underWay > 0) {
        throw this.#world.fail(`${descriptor} is closed, and operations of it are under way`);
      }
      if (file.record !== null) file.closedAs = contentOf(descriptor);
      this.#open.delete(descriptor);
    }
  }

  /** A file that the ring may use. */
  target(descriptor: number): RingTarget {
    const file = this.#fileOf(descriptor);
    if (file.limit < 0) {
      const limit = fstatSync(descriptor).size + this.#room;
      file.limit = limit - (limit % SECTOR || 0);
    }
    return { start: (entry, done) => this.#start(descriptor, entry, done) };
  }

  /** Keeps the changes of an image's own file, for power cuts. */
  watch(image: string): void {
    this.#fileNamed(image, 0).record = new HostRecord(() => this.#world.tick());
  }

  /** See `watch`. */
  recordOf(image: string): HostRecord {
    return this.#fileNamed(image, 0).record!;
  }

  /** The tick at which an fsync of an image's own file has failed last; 0: none has. */
  lostAt(image: string): number {
    return this.#fileNamed(image, 0).lostAt;
  }

  #fileNamed(image: string, index: number): HostFile {
    const name = `${image} ${index}`;
    const known = this.#files.get(name);
    if (known !== undefined) return known;
    const file = { limit: -1, lostAt: 0, record: null, underWay: 0, closedAs: null };
    this.#files.set(name, file);
    return file;
  }

  #fileOf(descriptor: number): HostFile {
    const file = this.#open.get(descriptor);
    if (file === undefined) throw this.#world.fail(`${descriptor} is used, and is not open`);
    return file;
  }

  /** What is not on the disk of a server is lost with it: its file has these bytes now. */
  restarted(image: string, bytes: Buffer): void {
    this.recordOf(image).restart(Buffer.from(bytes));
  }

  /** An image has another file of its own, which is on the disk: nothing is known of the one before. */
  replaced(image: string): void {
    this.#coverage.add('overlay made');
    const file = this.#fileNamed(image, 0);
    file.closedAs = null;
    file.record?.restart(null);
  }

  /** Something else than a file gives an error. @param errno Positive. */
  noteFault(name: string, errno: number): void {
    this.#note(name);
    this.given.add(errno);
  }

  /** The host's disk is full no more. */
  makeRoom(): void {
    this.#room = Infinity;
    for (const file of this.#files.values()) file.limit = Infinity;
  }

  /** One more operation is to fail: the one after `count` others. */
  failLater(count: number): void {
    this.#failing = this.operations + 1 + count;
  }

  /** The next read of an image's own file takes long: as long as several flushes and many writes. */
  slowRead(image: string): void {
    this.#delays.slow.add(this.#fileNamed(image, 0));
  }

  /** lseek(2), ftruncate(2) and futimens(2), which other threads make. */
  slowCall(asked: SlowCall): number {
    const { call, request, descriptor } = asked;
    const random = this.#randomOf(++this.operations);
    const tag = TAG_IO | request;
    this.#world.trace?.(`${call} of ${descriptor}`);
    const fault = this.#fault(call, random, tag);
    if (fault !== 0) return fault;
    if (asked.call === 'lseek') return lseekNow(descriptor, asked.offset, asked.whence);
    if (asked.call !== 'ftruncate') return 0;
    const { size } = asked;
    if (size > this.#fileOf(descriptor).limit) return this.#give(call, ERRNO.ENOSPC, tag);
    const change = this.change(descriptor, 'size', size, 0, null);
    ftruncateSync(descriptor, size);
    this.done(change, 0);
    return 0;
  }

  #start(descriptor: number, entry: Entry, done: (result: number) => void): void {
    const { opcode, address, length, offset } = entry;
    const file = this.#fileOf(descriptor);
    const random = this.#randomOf(++this.operations);
    let change: Change | null = null;
    let barrier: Barrier | null = null;
    let bytes: Buffer | null = null;
    if (opcode === abi.OP_WRITE) {
      bytes = takeForSession(length);
      bytes.set(bytesAt(address, length));
      change = this.change(descriptor, 'write', offset, length, bytes);
    } else if (opcode === abi.OP_FALLOCATE) {
      // In such an entry the length field has the mode, and the address field the length.
      const zeroes = (length & (PUNCH_HOLE | ZERO_RANGE)) !== 0;
      const longer = zeroes ? 'zero longer' : 'longer';
      const kind = zeroes && (length & KEEP_SIZE) !== 0 ? 'zero' : longer;
      change = this.change(descriptor, kind, offset, address, null);
    } else if (opcode === abi.OP_FSYNC) {
      barrier = { file: 0, issued: this.#world.tick(), done: Infinity };
      file.record?.barriers.push(barrier);
    }
    this.#world.trace?.(`${NAMES[opcode]} of ${descriptor} ${offset}+${length} begins`);
    const delay = this.#delays.of(file, opcode, random);
    if (delay === Infinity) this.#coverage.add(`host ${NAMES[opcode]} never ends`);
    const perform = (): number => {
      this.#pending.delete(perform);
      file.underWay--;
      if (bytes !== null && !bytes.equals(bytesAt(address, length))) {
        throw new Error('memory has changed while the host wrote it');
      }
      const result = this.#perform(descriptor, entry, random);
      const place = `${offset}+${length} (${address})`;
      this.#world.trace?.(`${NAMES[opcode]} of ${descriptor} ${place}: ${result}`);
      if (change !== null) this.done(change, result);
      if (barrier !== null && result === 0) barrier.done = this.#world.tick();
      if (barrier !== null && result < 0) this.#lose(file, barrier);
      return result;
    };
    this.#pending.set(perform, { file, opcode, change, done });
    file.underWay++;
    if (delay === Infinity) return;
    this.#world.schedule(delay, () => {
      if (this.#pending.has(perform)) done(perform());
    });
  }

  /** The process has died. What the kernel has taken ends, perhaps with a linked reply, or never begins, or is torn. */
  died(random: Random): void {
    for (const [perform, { file, opcode, change, done }] of [...this.#pending]) {
      // Whom an fsync has told of a loss, nobody knows.
      if (opcode !== abi.OP_FSYNC && random.oneIn(2)) {
        const result = perform();
        if (random.oneIn(2)) done(result);
        continue;
      }
      this.#pending.delete(perform);
      file.underWay--;
      this.#torn = 0;
      this.done(change, -ERRNO.EINTR);
    }
    for (const [descriptor, file] of this.#open) {
      if (file.record !== null) file.closedAs = contentOf(descriptor);
    }
  }

  /** The process has ended: some of its operations that are under way are still carried out. */
  abandon(random: Random): void {
    for (const perform of [...this.#pending.keys()]) if (random.oneIn(2)) perform();
    this.#pending.clear();
  }

  #perform(descriptor: number, entry: Entry, random: Random): number {
    const { opcode, address, length, offset, tag } = entry;
    const name = NAMES[opcode]!;
    const { alignment, plain, shorts } = this.#plan;
    if (opcode <= abi.OP_WRITE && opcode >= abi.OP_READ) {
      if (((offset | address | length) & (alignment - 1)) !== 0) return -ERRNO.EINVAL;
    }
    this.#torn = 0;
    const fault = this.#fault(name, random, tag);
    if (opcode === abi.OP_FSYNC) return fault;
    if (opcode === abi.OP_FALLOCATE) {
      if (plain) return fault !== 0 ? fault : -ERRNO.EOPNOTSUPP;
      if (fault === 0) return this.#allocate(descriptor, length, offset, address, tag);
      // Of one that fails a part may have been made, too.
      const room = (length & KEEP_SIZE) !== 0 ? Infinity : this.#fileOf(descriptor).limit - offset;
      this.#torn = tornOf(random, offset, address, room);
      if (this.#torn > 0) allocateNow(descriptor, length, offset, this.#torn);
      return fault;
    }
    const isShort = fault === 0 && shorts > 0 && random.oneIn(shorts);
    let most = length;
    // A direct transfer is short by whole blocks.
    if (isShort) most = toSector(offset, random.below(length));
    if (isShort && alignment > 1) most -= most % alignment;
    // A transfer of nothing would mean the end of the file.
    if (isShort && most === 0) most = length;
    if (most < length) this.#note(`host ${name} is short`);
    if (opcode === abi.OP_READ)
      return fault !== 0 ? fault : pread(descriptor, address, most, offset);
    const room = this.#fileOf(descriptor).limit - offset;
    if (fault === 0 && room <= 0) return this.#give(name, ERRNO.ENOSPC, tag);
    if (most > room) most = room - (room % alignment);
    if (fault === 0 && most <= 0) return this.#give(name, ERRNO.ENOSPC, tag);
    if (fault === 0) return pwrite(descriptor, address, most, offset);
    // A write that fails may have been made in part.
    const torn = tornOf(random, offset, length, room);
    this.#torn = torn > 0 ? pwrite(descriptor, address, torn, offset) : 0;
    return fault;
  }

  #allocate(descriptor: number, mode: number, offset: number, length: number, tag: number): number {
    if ((mode & KEEP_SIZE) === 0 && offset + length > this.#fileOf(descriptor).limit) {
      return this.#give('fallocate', ERRNO.ENOSPC, tag);
    }
    allocateNow(descriptor, mode, offset, length);
    return 0;
  }

  /** 0 or -errno. */
  #fault(name: string, random: Random, tag: number): number {
    const { faults, failing, forever } = this.#plan;
    const isDue =
      this.operations === this.#failing ||
      (failing > 0 && (this.operations === failing || (forever && this.operations > failing)));
    if (!isDue && (faults === 0 || !random.oneIn(faults))) return 0;
    const errnos =
      name === 'read' || name === 'lseek' ? [ERRNO.EIO] : [ERRNO.EIO, ERRNO.ENOSPC, ERRNO.EDQUOT];
    return this.#give(name, errnos[random.below(errnos.length)]!, tag);
  }

  #give(name: string, errno: number, tag: number): number {
    this.#note(`host ${name} fails with ${errno}`);
    this.given.add(errno);
    if (tag !== 0) this.#hit(tag & TAG_INDEX);
    return -errno;
  }

  #note(name: string): void {
    this.faults++;
    this.#coverage.add(name);
  }

  /** A change of a file begins. @returns Null: nobody wants to know. */
  change(
    descriptor: number,
    kind: Change['kind'],
    offset: number,
    length: number,
    bytes: Buffer | null,
  ): Change | null {
    const { record } = this.#fileOf(descriptor);
    return record?.begin(descriptor, kind, offset, length, bytes) ?? null;
  }

  /** It has ended. @param result Bytes written, 0, or -errno: then any part of the change may have been made. */
  done(change: Change | null, result: number): void {
    if (change === null) return;
    change.done = this.#world.tick();
    change.failed = result < 0;
    if (result > 0) change.length = result;
    // What the file does not show now never gets to the disk.
    if (result < 0) change.length = this.#torn;
  }

  /** An fsync has failed: the host counts all that it should have written as clean. */
  #lose(file: HostFile, { issued }: Barrier): void {
    file.lostAt = this.#world.tick();
    file.record?.lose(issued);
  }
}
