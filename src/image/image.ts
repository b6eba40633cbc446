/** The range holds bytes of a host file. */
export const DATA = 0;
/** The range reads as zeros and costs no I/O. */
export const ZERO = 1;

/** Where a range of an image lives. One object is filled again and again: copy what you keep. */
export interface Extent {
  /** DATA or ZERO. */
  kind: number;
  /** DATA: which host file, an index known to the engine. */
  file: number;
  /** DATA: offset in the host file, bytes. */
  offset: number;
  /** Bytes of the range that the answer covers, at least 1. */
  length: number;
}

/** An empty answer to be filled by `Image.map`. */
export function newExtent(): Extent {
  return { kind: ZERO, file: 0, offset: 0, length: 0 };
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

/** Smallest multiple of a sector that holds `bytes`. */
export function roundUpToSector(bytes: number): number {
  return Math.ceil(bytes / SECTOR_BYTES) * SECTOR_BYTES;
}
