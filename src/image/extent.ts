/** The range holds bytes of a host file. */
export const DATA = 0;
/** The range reads as zeros and costs no I/O. */
export const ZERO = 1;

/** The range lies in a compressed cluster: inflate that, then take the part from `skip` on. */
export const COMPRESSED = 2;
/** Not known yet: the piece of metadata that the extent names has to be loaded first. */
export const METADATA = 3;
/** The metadata is broken: EIO. */
export const BROKEN = 4;
/** Only among layers: the layer below answers. */
export const UNALLOCATED = 5;

/** The place of a range of an image. One object is filled again and again: callers copy what they keep. */
export interface Extent {
  /** DATA, ZERO, COMPRESSED, METADATA or BROKEN. */
  kind: number;
  /** The engine's handle of the host file. */
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

/** An empty answer to be filled by `Driver.map`. */
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

export const SECTOR_BYTES = 512;

/** Smallest multiple of a sector that holds `bytes`. */
export function roundUpToSector(bytes: number): number {
  return Math.ceil(bytes / SECTOR_BYTES) * SECTOR_BYTES;
}
