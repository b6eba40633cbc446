import type { Engine, Task } from '../host/engine.js';
import { SEEK_DATA, SEEK_HOLE } from '../sys/constants.js';
import { ERRNO } from '../util/errno.js';
import { DATA, type Extent, newExtent, ZERO } from './extent.js';
import type { Layers } from './layers.js';

// Holes of an image with its backing files, for SEEK_DATA, SEEK_HOLE and `sluice map`. A raw image asks its
// host file instead (raw/raw-driver.ts).

/**
 * lseek(2) with SEEK_DATA or SEEK_HOLE in an image of `size` bytes, extent by extent. Every image ends in a
 * hole: the last answer of SEEK_HOLE is the end. An offset or -errno.
 */
export function* seekLayers(
  layers: Layers,
  engine: Engine,
  request: number,
  offset: number,
  size: number,
  whence: number,
): Task {
  // Its own: other requests map while this one waits.
  const extent = newExtent();
  for (let at = offset; at < size; at += extent.length) {
    const error = yield* blockStatus(layers, engine, request, at, size - at, extent);
    if (error < 0) return error;
    if ((extent.kind !== ZERO) === (whence === SEEK_DATA)) return at;
  }
  return whence === SEEK_DATA ? -ERRNO.ENXIO : size;
}

/**
 * Block status: the place of the bytes from `offset`, as `Layers.map` tells it, with holes of raw host files
 * found out.
 *
 * @param extent Filled with DATA, ZERO or COMPRESSED. It must be the caller's own: others map in between.
 * @returns 0 or -errno
 */
export function* blockStatus(
  layers: Layers,
  engine: Engine,
  request: number,
  offset: number,
  length: number,
  extent: Extent,
): Task {
  const error = yield* layers.mapLoaded(request, offset, length, extent);
  if (error < 0) return error;
  const { hasHostHoles } = layers.layers[extent.layer]!;
  return extent.kind === DATA && hasHostHoles ? yield* cutAtHole(engine, request, extent) : 0;
}

/** Cuts an extent of a host file at its first change between data and hole. Returns 0. */
export function* cutAtHole(engine: Engine, request: number, extent: Extent): Task {
  const { file, offset, length } = extent;
  const data = yield engine.seek(request, file, offset, SEEK_DATA);
  if (data === -ERRNO.ENXIO) extent.kind = ZERO;
  else if (data > offset) {
    extent.kind = ZERO;
    extent.length = Math.min(length, data - offset);
  } else if (data === offset) {
    const hole = yield engine.seek(request, file, offset, SEEK_HOLE);
    if (hole > offset) extent.length = Math.min(length, hole - offset);
  }
  // Any other answer: a host that cannot tell. All of it counts as data.
  return 0;
}
