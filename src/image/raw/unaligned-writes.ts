import { SLOT_DATA, SLOT_EDGES } from '../../buffers/memory.js';
import type { Task } from '../../host/engine.js';
import { ERRNO } from '../../util/errno.js';
import type { DriverIo } from '../driver.js';
import { roundUpToSector } from '../extent.js';

/** A host file that is read and written in whole blocks (O_DIRECT). */
export interface BlockFile {
  /** The engine's handle of it. */
  readonly file: number;
  /** Size of a block, bytes; see `Driver.alignment`. */
  readonly alignment: number;
  /** Size of the image, bytes. */
  readonly size: number;
  readonly blockDevice: boolean;
}

/**
 * Read, modify, write: moves the payload to its place within whole blocks, fills the edges from the
 * host file, writes the blocks. The caller has an exclusive lock on them. See `Driver.write`.
 */
export function* writeUnaligned(
  image: BlockFile,
  io: DriverIo,
  request: number,
  offset: number,
  length: number,
  source: number,
): Task {
  const { bytes } = io.memory;
  const mask = image.alignment - 1;
  const before = offset & mask;
  const whole = (before + length + mask) & ~mask;
  const after = whole - before - length;
  const block = offset - before;
  const slot = io.slotOf(request);
  const data = slot + SLOT_DATA;
  const edge = slot + SLOT_EDGES;
  bytes.copyWithin(data + before, source, source + length);
  if (before > 0) {
    const error = yield* readBlock(image, io, request, edge, block);
    if (error < 0) return error;
    bytes.copyWithin(data, edge, edge + before);
  }
  if (after > 0) {
    const error = yield* readBlock(image, io, request, edge, block + whole - mask - 1);
    if (error < 0) return error;
    const tail = edge + mask + 1 - after;
    bytes.copyWithin(data + before + length, tail, tail + after);
  }
  const written = yield* writeAll(image, io, request, data, whole, block);
  if (written < 0) return written;
  yield* trimTail(image, io, request, offset + length, block + whole);
  return Math.min(length, Math.max(0, written - before));
}

/**
 * Reads the block at `offset`. A block is the least that the host gives, so a shorter answer means
 * that the file ends there: the rest is zeros. 0 or more, or -errno.
 */
function* readBlock(
  { file, alignment, size }: BlockFile,
  { engine, memory }: DriverIo,
  request: number,
  at: number,
  offset: number,
): Task {
  memory.bytes.fill(0, at, at + alignment);
  if (offset >= size) return 0;
  return yield engine.read(request, file, memory.address + at, alignment, offset, false);
}

/** Writes whole blocks. Returns bytes written; -errno only if that is none. */
export function* writeAll(
  { file }: BlockFile,
  { engine, memory }: DriverIo,
  request: number,
  source: number,
  length: number,
  offset: number,
): Task {
  for (let done = 0; done < length; ) {
    const address = memory.address + source + done;
    const rest = length - done;
    const result = yield engine.write(request, file, address, rest, offset + done, false);
    if (result <= 0) return done > 0 ? done : result === 0 ? -ERRNO.EIO : result;
    done += result;
  }
  return length;
}

/** Whole blocks larger than a sector may have stretched the host file past the image: cuts it. */
function* trimTail(
  { file, size, blockDevice }: BlockFile,
  { engine }: DriverIo,
  request: number,
  end: number,
  blockEnd: number,
): Task {
  const wanted = Math.max(size, roundUpToSector(end));
  if (blockEnd <= wanted || blockDevice) return 0;
  return yield engine.resize(request, file, wanted);
}
