import type { HostFile } from '../host/host-file.js';
import { roundUpToSector } from './extent.js';
import { formatNamed } from './formats.js';

/**
 * Why the kernel cannot read and write the file of an image for those who use the image, as a sentence
 * without its path; null if it can.
 */
export function passthroughProblem(
  {
    blockDevice,
    size,
    waiting,
  }: Pick<HostFile, 'blockDevice' | 'size'> & Partial<Pick<HostFile, 'waiting'>>,
  format: string,
): string | null {
  if (formatNamed(format).isItsFile !== true) {
    return `it is ${format}: only the bytes of a raw image are those of its file`;
  }
  if (waiting !== undefined) return 'it is on an NBD server, and the kernel has no file of it';
  if (blockDevice) return 'it is a block device: the kernel passes regular files through only';
  if (roundUpToSector(size) === size) return null;
  const what = `its size, ${size} bytes, is no multiple of 512, and the kernel pads nothing`;
  return `${what}; make it one with truncate -s %512`;
}
