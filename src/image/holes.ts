import type { Engine, Task } from '../host/engine.js';
import { SEEK_DATA, SEEK_HOLE } from '../sys/constants.js';
import { ERRNO } from '../util/errno.js';
import { DATA, type Extent, ZERO } from './extent.js';
import type { Layers } from './layers.js';

/**
 * Block status: the place of the bytes from `offset`, as `Layers.map` tells it, with holes of raw host
 * files found out. The one function behind SEEK_DATA, SEEK_HOLE and `sluice map`.
 *
 * @param extent Filled with DATA, ZERO or COMPRESSED. It must be the caller's own: others map in
 *   between.
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
  const hasHoles = layers.layers[extent.layer]!.hasHostHoles;
  return extent.kind === DATA && hasHoles ? yield* findHole(engine, request, extent) : 0;
}

/** Cuts an extent of a host file at its first change between data and hole. Returns 0. */
export function* findHole(engine: Engine, request: number, extent: Extent): Task {
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
