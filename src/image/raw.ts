import { SEEK_DATA, SEEK_HOLE } from '../sys/constants.js';
import { ERRNO } from '../util/errno.js';
import { DATA, type Extent, type Image, roundUpToSector, ZERO } from './image.js';

/**
 * A raw image: byte for byte the host file. Its size is the file's, rounded up to whole sectors; the
 * part past the end of the file reads as zeros and is a hole.
 */
export class RawImage implements Image {
  size: number;
  readonly #file: number;
  /** Size of the host file. */
  #hostSize: number;

  /**
   * @param file The engine's index of the host file.
   * @param hostSize Its size, bytes.
   */
  constructor(file: number, hostSize: number) {
    this.#file = file;
    this.#hostSize = hostSize;
    this.size = roundUpToSector(hostSize);
  }

  map(offset: number, length: number, extent: Extent): void {
    const present = this.#hostSize - offset;
    extent.kind = present > 0 ? DATA : ZERO;
    extent.file = this.#file;
    extent.offset = offset;
    extent.length = present > 0 && present < length ? present : length;
  }

  mapWrite(offset: number, length: number, extent: Extent): void {
    extent.kind = DATA;
    extent.file = this.#file;
    extent.offset = offset;
    extent.length = length;
  }

  written(end: number): void {
    if (end > this.#hostSize) this.resized(end);
  }

  resized(size: number): void {
    this.#hostSize = size;
    this.size = roundUpToSector(size);
  }

  /**
   * The tail between the end of the file and the end of the image is a hole; so an answer at the end
   * of the file is the image's end only where the two are one.
   */
  seekResult(offset: number, whence: number, hostResult: number): number {
    if (offset >= this.size) return -ERRNO.ENXIO;
    if (whence === SEEK_DATA || hostResult >= 0) return hostResult;
    // The host knows nothing at or past its end of file: that is the tail, a hole.
    return whence === SEEK_HOLE && hostResult === -ERRNO.ENXIO ? offset : hostResult;
  }
}
