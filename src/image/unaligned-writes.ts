import { MAX_IO_BYTES, SLOT_DATA, SLOT_EDGES } from '../buffers/memory.js';
import type { Task } from '../host/engine.js';
import { readAll } from '../host/transfer-all.js';
import { ERRNO } from '../util/errno.js';
import type { DriverIo } from './driver.js';
import { type Extent, newExtent } from './extent.js';

/** Fills an extent with file, offset and length of the place where a range is written, or its first part. */
export type Place = (offset: number, length: number, extent: Extent) => void;

/** Unaligned writes in place, to host files that take whole blocks only (O_DIRECT). */
export class UnalignedWrites {
  readonly #io: DriverIo;
  readonly #alignment: number;
  readonly #place: Place;

  /** @param place Places begin in their file as far behind a block as the range does. */
  constructor(io: DriverIo, alignment: number, place: Place) {
    this.#io = io;
    this.#alignment = alignment;
    this.#place = place;
  }

  /**
   * Read, modify, write: moves the payload to its place within whole blocks, fills the edges with what
   * is there, writes the blocks. The caller has an exclusive lock on them.
   *
   * @param source In the plane's memory.
   * @param end From here on there is nothing, which reads as zeros.
   * @returns Bytes written; -errno only if that is none
   */
  *write(request: number, offset: number, length: number, source: number, end: number): Task {
    const { bytes } = this.#io.memory;
    const mask = this.#alignment - 1;
    const before = offset & mask;
    const whole = (before + length + mask) & ~mask;
    const after = whole - before - length;
    const block = offset - before;
    if (before === 0 && after === 0) return yield* this.#writeAll(request, source, length, offset);
    const slot = this.#io.slotOf(request);
    const data = slot + SLOT_DATA;
    const edge = slot + SLOT_EDGES;
    bytes.copyWithin(data + before, source, source + length);
    if (before > 0) {
      const error = yield* this.#readBlock(request, edge, block, end);
      if (error < 0) return error;
      bytes.copyWithin(data, edge, edge + before);
    }
    if (after > 0) {
      const error = yield* this.#readBlock(request, edge, block + whole - this.#alignment, end);
      if (error < 0) return error;
      const tail = edge + this.#alignment - after;
      bytes.copyWithin(data + before + length, tail, tail + after);
    }
    const got = yield* this.#writeAll(request, data, whole, block);
    return got < 0 ? got : Math.min(length, Math.max(0, got - before));
  }

  /** Writes zeros. 0 or -errno. */
  *writeZeros(request: number, offset: number, length: number, end: number): Task {
    const { memory } = this.#io;
    const zeros = this.#io.slotOf(request) + SLOT_DATA;
    for (let done = 0; done < length; ) {
      const bytes = Math.min(MAX_IO_BYTES, length - done);
      memory.bytes.fill(0, zeros, zeros + bytes);
      const result = yield* this.write(request, offset + done, bytes, zeros, end);
      if (result < 0) return result;
      done += result;
    }
    return 0;
  }

  /**
   * Reads the block at `offset`. Behind the end of the file are zeros. 0 or more, or -errno.
   */
  *#readBlock(request: number, at: number, offset: number, end: number): Task {
    const { engine, memory } = this.#io;
    const length = this.#alignment;
    memory.bytes.fill(0, at, at + length);
    if (offset >= end) return 0;
    const extent = newExtent();
    this.#place(offset, length, extent);
    const address = memory.address + at;
    return yield* readAll(engine, request, extent.file, address, length, extent.offset);
  }

  /** Writes whole blocks. Returns bytes written; -errno only if that is none. */
  *#writeAll(request: number, source: number, length: number, offset: number): Task {
    const { engine, memory } = this.#io;
    // Its own: other requests map while this one waits.
    const extent = newExtent();
    for (let done = 0; done < length; ) {
      const address = memory.address + source + done;
      this.#place(offset + done, length - done, extent);
      const { file, length: rest, offset: to } = extent;
      const result = yield engine.write(request, file, address, rest, to, false);
      if (result <= 0) return done > 0 ? done : result === 0 ? -ERRNO.EIO : result;
      done += result;
    }
    return length;
  }
}
