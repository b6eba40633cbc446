import type { Engine, Task } from '../host/engine.js';
import { ERRNO } from '../util/errno.js';
import { COMPRESSED, DATA, type Extent, newExtent } from './extent.js';

/** An image as `readRange` reads it. */
export interface Readable {
  /** Of host I/O; see `Driver.alignment`. */
  readonly alignment: number;
  /** Maps a range to DATA, ZERO, or COMPRESSED with the inflated cluster at hand. 0 or -errno. */
  locate(request: number, offset: number, length: number, extent: Extent): Task;
  /** The inflated cluster of a COMPRESSED extent right after `locate`. Borrowed. */
  inflated(extent: Extent): Uint8Array;
}

/** Memory to read into. */
export interface Target {
  readonly address: number;
  readonly bytes: Uint8Array;
}

/**
 * Reads a range extent by extent; see `Driver.read`. A host file that ends inside an extent reads as
 * zeros from there.
 */
export function* readRange(
  image: Readable,
  engine: Engine,
  target: Target,
  request: number,
  offset: number,
  length: number,
  at: number,
  done: number,
): Task {
  const { bytes } = target;
  const mask = image.alignment - 1;
  // Its own: other requests map while this one waits.
  const extent = newExtent();
  for (let read = done; read < length; ) {
    const error = yield* image.locate(request, offset + read, length - read, extent);
    if (error < 0) return error;
    const wanted = extent.length;
    const place = at + read;
    let got = 0;
    if (extent.kind === COMPRESSED) {
      const { skip } = extent;
      const piece = image.inflated(extent).subarray(skip, skip + wanted);
      if (piece.length < wanted) return -ERRNO.EIO;
      bytes.set(piece, place);
      got = wanted;
    } else if (extent.kind === DATA) {
      const before = extent.offset & mask;
      const whole = (before + wanted + mask) & ~mask;
      const address = target.address + place - before;
      const { file, offset: from } = extent;
      const result = yield engine.read(request, file, address, whole, from - before, false);
      if (result < 0) return result;
      got = Math.min(wanted, Math.max(0, result - before));
    }
    if (got === 0) {
      bytes.fill(0, place, place + wanted);
      got = wanted;
    }
    read += got;
  }
  return length;
}
