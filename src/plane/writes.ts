import { SLOT_DATA, SLOT_EDGES, slotOffset } from '../buffers/memory.js';
import type { Task } from '../host/engine.js';
import { PENDING } from '../host/engine.js';
import { DATA, roundUpToSector } from '../image/image.js';
import { ERRNO } from '../util/errno.js';
import type { Disk } from './disk.js';
import type { Parts } from './parts.js';
import { roundDown, roundUp } from './range-locks.js';
import { LOCKED, NONE, PLAIN } from './requests.js';

/**
 * WRITE to a disk. Whole blocks, the common case, are a transfer from where the payload was received
 * with the reply linked behind it; anything else is read, modified and written under a lock.
 */
export class Writes {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** The request is admitted; its payload is in its slot or in the pool. */
  start(request: number): void {
    const { requests, disks } = this.#parts;
    const disk = disks[requests.disk[request]!]!;
    disk.dirty = true;
    disk.written = true;
    const { alignment } = disk.config;
    if (disk.chain !== null) {
      if (this.#lockInChain(request, disk)) this.granted(request);
      else requests.state[request] = LOCKED;
      return;
    }
    if (alignment > 1) {
      const start = requests.offset[request]!;
      const end = start + requests.length[request]!;
      const locked = this.#isUnaligned(request)
        ? disk.locks.begin(request, roundDown(start, alignment), this.#lockEnd(disk, end), true)
        : disk.locks.begin(request, start, end, false);
      if (!locked) {
        requests.state[request] = LOCKED;
        return;
      }
    }
    this.granted(request);
  }

  /** Writes in place share; what changes clusters excludes all others from them. */
  #lockInChain(request: number, disk: Disk): boolean {
    const { requests, extent } = this.#parts;
    const start = requests.offset[request]!;
    const length = requests.length[request]!;
    const { clusterBytes } = disk.chain!.writes!.writer.layer.geometry;
    if (start + length > disk.image.size) {
      // It grows the disk: all from the end on is its own.
      const first = roundDown(Math.min(start, disk.image.size), clusterBytes);
      return disk.locks.begin(request, first, Number.POSITIVE_INFINITY, true);
    }
    disk.image.mapWrite(start, length, extent);
    if (extent.kind === DATA && !this.#isUnaligned(request)) {
      return disk.locks.begin(request, start, start + length, false);
    }
    const end = roundUp(start + length, clusterBytes);
    return disk.locks.begin(request, roundDown(start, clusterBytes), end, true);
  }

  /** Blocks that reach past the image may have to be cut off behind it: nothing may be there. */
  #lockEnd(disk: Disk, end: number): number {
    const blocks = roundUp(end, disk.config.alignment);
    return blocks > disk.image.size ? Number.POSITIVE_INFINITY : blocks;
  }

  /** Nothing else writes to these blocks now. */
  granted(request: number): void {
    const { requests, disks, engine, extent, memory, replies, tasks } = this.#parts;
    const { image, chain } = disks[requests.disk[request]!]!;
    const length = requests.length[request]!;
    const offset = requests.offset[request]!;
    const unaligned = this.#isUnaligned(request);
    if (!unaligned) image.mapWrite(offset, length, extent);
    if (unaligned || extent.kind !== DATA) {
      const payload = this.#payloadOffset(request);
      const task = chain?.writes?.write(request, offset, length, payload);
      tasks.start(request, task ?? this.#rewrite(request));
      return;
    }
    const { file } = extent;
    const linked = engine.links(file, length);
    const address = memory.address + this.#payloadOffset(request);
    requests.state[request] = PLAIN;
    const result = engine.write(request, file, address, length, extent.offset, linked);
    if (linked) replies.result(request, length, true);
    else if (result !== PENDING) this.completed(request, result);
  }

  /** The transfer of `granted` ended: complete (PLAIN), short, or with an error. */
  completed(request: number, result: number): void {
    const { requests, tasks } = this.#parts;
    const short = result > 0 && result < requests.length[request]!;
    if (short) tasks.start(request, this.#writeRest(request, result));
    else this.ended(request, result === 0 ? -ERRNO.EIO : result);
  }

  /** `written` bytes are on the host, or it is an errno: answers, after size and locks followed. */
  ended(request: number, written: number): void {
    this.settle(request, written);
    this.#parts.replies.result(request, written, false);
  }

  /** A write has come to `written` bytes or -errno: the disk's size and locks follow. */
  settle(request: number, written: number): void {
    const { requests, disks } = this.#parts;
    const disk = disks[requests.disk[request]!]!;
    if (written > 0) disk.image.written(requests.offset[request]! + written);
    if (disk.config.alignment > 1 || disk.chain !== null)
      disk.locks.end(request, this.#parts.granted);
  }

  #isUnaligned(request: number): boolean {
    const { requests, disks } = this.#parts;
    const mask = disks[requests.disk[request]!]!.config.alignment - 1;
    return ((requests.offset[request]! | requests.length[request]!) & mask) !== 0;
  }

  #payloadOffset(request: number): number {
    const { pooled, slot } = this.#parts.requests;
    return pooled[request] === NONE ? slotOffset(slot[request]!) + SLOT_DATA : pooled[request]!;
  }

  /** Goes on after a short write from byte `done`; ends with the bytes written, or the errno. */
  *#writeRest(request: number, done: number): Task {
    const { requests } = this.#parts;
    const length = requests.length[request]!;
    const from = this.#payloadOffset(request);
    const written = yield* this.#writeAll(request, from + done, length - done, done);
    // Part of it is on the disk: say so. A mapped page has nobody to write the rest.
    return written < 0 ? (requests.mode[request] === 1 ? written : done) : done + written;
  }

  /**
   * Read, modify, write: moves the payload to its place within whole blocks, fills the edges from the
   * host file, writes the blocks.
   */
  *#rewrite(request: number): Task {
    const { requests, disks, memory } = this.#parts;
    const disk = disks[requests.disk[request]!]!;
    const mask = disk.config.alignment - 1;
    const length = requests.length[request]!;
    const offset = requests.offset[request]!;
    const before = offset & mask;
    const bytes = (before + length + mask) & ~mask;
    const after = bytes - before - length;
    const block = offset - before;

    const slot = this.#ownSlot(request);
    const data = slot + SLOT_DATA;
    const from = this.#payloadOffset(request);
    memory.bytes.copyWithin(data + before, from, from + length);
    if (before > 0) {
      const error = yield* this.#readEdge(request, slot + SLOT_EDGES, block);
      if (error < 0) return error;
      memory.bytes.copyWithin(data, slot + SLOT_EDGES, slot + SLOT_EDGES + before);
    }
    if (after > 0) {
      const error = yield* this.#readEdge(request, slot + SLOT_EDGES, block + bytes - mask - 1);
      if (error < 0) return error;
      const tail = slot + SLOT_EDGES + mask + 1 - after;
      memory.bytes.copyWithin(data + before + length, tail, tail + after);
    }
    const written = yield* this.#writeAll(request, data, bytes, -before);
    if (written < 0) return written;
    yield* this.#trimTail(request, block + bytes);
    return Math.min(length, Math.max(0, written - before));
  }

  /**
   * Reads one block of the image at `offset`. A block is the least that the host gives, so less of it
   * means that the file ends there: the rest is zeros.
   */
  *#readEdge(request: number, at: number, offset: number): Task {
    const { requests, disks, engine, extent, memory } = this.#parts;
    const { image, config } = disks[requests.disk[request]!]!;
    const { alignment } = config;
    memory.bytes.fill(0, at, at + alignment);
    if (offset >= image.size) return 0;
    image.mapWrite(offset, alignment, extent);
    const { file, offset: from } = extent;
    const address = memory.address + at;
    return yield engine.read(request, file, address, alignment, from, false);
  }

  /**
   * Writes `length` bytes from `from`, which belong at byte `skip` of the request's range.
   * @returns Bytes written; -errno only if that is none.
   */
  *#writeAll(request: number, from: number, length: number, skip: number): Task {
    const { requests, disks, engine, extent, memory } = this.#parts;
    const { image } = disks[requests.disk[request]!]!;
    const offset = requests.offset[request]! + skip;
    let done = 0;
    while (done < length) {
      image.mapWrite(offset + done, length - done, extent);
      if (extent.kind !== DATA) return done > 0 ? done : -ERRNO.EIO;
      const address = memory.address + from + done;
      const { file, length: bytes } = extent;
      const result = yield engine.write(request, file, address, bytes, extent.offset, false);
      if (result <= 0) return done > 0 ? done : result === 0 ? -ERRNO.EIO : result;
      done += result;
    }
    return done;
  }

  /** Whole blocks larger than a sector may have stretched the host file past the image: cut it. */
  *#trimTail(request: number, blockEnd: number): Task {
    const { requests, disks, engine } = this.#parts;
    const disk = disks[requests.disk[request]!]!;
    const end = roundUpToSector(requests.offset[request]! + requests.length[request]!);
    const wanted = Math.max(disk.image.size, end);
    if (blockEnd <= wanted || disk.config.blockDevice) return 0;
    return yield engine.resize(request, disk.file, wanted);
  }

  /** The request's slot; one that waited in the pool takes one now (the plane keeps it free). */
  #ownSlot(request: number): number {
    const { requests, memory } = this.#parts;
    if (requests.slot[request] === NONE) requests.slot[request] = memory.takeSlot();
    return slotOffset(requests.slot[request]!);
  }
}
