import { SEEK_DATA, SEEK_HOLE } from '../sys/constants.js';
import { ERRNO } from '../util/errno.js';
import type { ChainImage } from './chain-image.js';
import { BROKEN, DATA, type Extent, METADATA, ZERO } from './image.js';
import { RawLayer } from './layer.js';

/** What block status needs done. Each yields as a Task of the plane does, or just returns. */
export interface StatusIo {
  /** Loads the metadata that the extent names; 0 or -errno. */
  load(extent: Extent): Generator<number, number, number>;
  /** lseek(2) in a host file; its result, or what the engine returns for "later". */
  seek(file: number, offset: number, whence: number): number;
}

/**
 * Block status: where the bytes from `offset` are, as `ChainImage.map` tells, with holes of raw host
 * files found out. The one function behind SEEK_DATA, SEEK_HOLE and `sluice map`.
 *
 * @param extent Filled with DATA, ZERO or COMPRESSED. It must be the caller's own: others map in
 *   between.
 * @returns 0 or -errno
 */
export function* blockStatus(
  image: ChainImage,
  offset: number,
  length: number,
  extent: Extent,
  io: StatusIo,
): Generator<number, number, number> {
  image.map(offset, length, extent);
  while (extent.kind === METADATA) {
    const error = yield* io.load(extent);
    if (error < 0) return error;
    image.map(offset, length, extent);
  }
  if (extent.kind === BROKEN) return -ERRNO.EIO;
  const isRaw = image.layers[extent.layer] instanceof RawLayer;
  if (extent.kind === DATA && isRaw) yield* findHole(extent, io);
  return 0;
}

/** Cuts an extent of a host file at its first change between data and hole. */
function* findHole(extent: Extent, io: StatusIo): Generator<number, void, number> {
  const { file, offset, length } = extent;
  const data = yield io.seek(file, offset, SEEK_DATA);
  if (data === -ERRNO.ENXIO) extent.kind = ZERO;
  else if (data > offset) {
    extent.kind = ZERO;
    extent.length = Math.min(length, data - offset);
  } else if (data === offset) {
    const hole = yield io.seek(file, offset, SEEK_HOLE);
    if (hole > offset) extent.length = Math.min(length, hole - offset);
  }
  // Any other answer: a host that cannot tell. All of it counts as data.
}
