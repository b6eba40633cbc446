/** The range holds bytes of a host file. */
export const DATA = 0;
/** The range reads as zeros and costs no I/O. */
export const ZERO = 1;

/** The range lies in a compressed cluster: inflate that, then take the part from `skip` on. */
export const COMPRESSED = 2;
/** Not known yet: load the piece of metadata that the extent names, then ask again. */
export const METADATA = 3;
/** The metadata is broken: EIO. */
export const BROKEN = 4;
/** Only among layers of a chain: look at the layer below. */
export const UNALLOCATED = 5;

/** Where a range of an image lives. One object is filled again and again: copy what you keep. */
export interface Extent {
  /** DATA, ZERO, COMPRESSED, METADATA or BROKEN. */
  kind: number;
  /** Which host file, an index known to the engine. */
  file: number;
  /**
   * Offset in the host file, bytes: of the data, of the compressed cluster, of the metadata. For
   * ZERO the place that is reserved for the range, -1 if there is none.
   */
  offset: number;
  /** Bytes of the range that the answer covers, at least 1. */
  length: number;
  /** The layer that answers: 0 is the image itself, 1 its backing file, and so on. */
  layer: number;
  /** False where no layer has the range: it reads as zeros because nothing is there. */
  present: boolean;
  /** METADATA: number of the piece. */
  slice: number;
  /** COMPRESSED: bytes to read at `offset`, and where in the inflated cluster the range begins. */
  bytes: number;
  skip: number;
}

/** An empty answer to be filled by `Image.map`. */
export function newExtent(): Extent {
  return {
    kind: ZERO,
    file: 0,
    offset: 0,
    length: 0,
    layer: 0,
    present: true,
    slice: 0,
    bytes: 0,
    skip: 0,
  };
}

/**
 * An image format: answers where a range lives; the plane does the I/O ("map, then act"). Offsets
 * and lengths are bytes.
 */
export interface Image {
  /** Virtual size, a multiple of 512. */
  readonly size: number;
  /** Where the bytes from `offset` are, for at most `length` bytes below `size`. */
  map(offset: number, length: number, extent: Extent): void;
  /** Where bytes from `offset` are to be written; may lie past `size` (growth). */
  mapWrite(offset: number, length: number, extent: Extent): void;
  /** A write up to the offset `end` has succeeded. */
  written(end: number): void;
  /** The host file was cut or grown to `size` bytes. */
  resized(size: number): void;
  /** Host offset that `seek` in the host file gave, as an offset of the image; see lseek(2). */
  seekResult(offset: number, whence: number, hostResult: number): number;
}

export const SECTOR_BYTES = 512;

/** Largest size of an image, and of its host file: every offset in it is exact as a number. */
export const SIZE_MAX = Number.MAX_SAFE_INTEGER - (SECTOR_BYTES - 1);

/** Smallest multiple of a sector that holds `bytes`. */
export function roundUpToSector(bytes: number): number {
  return Math.ceil(bytes / SECTOR_BYTES) * SECTOR_BYTES;
}
