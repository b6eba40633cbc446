import { ERRNO } from '../util/errno.js';
import { declare, libc } from './libc.js';
import { MAP_SHARED } from './memory.js';

const mmap = declare<[number, number, number, number, number, number]>(
  'int64 mmap(int64 address, size_t length, int protection, int flags, int fd, int64 offset)',
);
const mincore = declare<[number, number, Uint8Array]>(
  'int mincore(int64 address, size_t length, _Out_ uint8_t *pages)',
);

const PROT_READ = 1;

/** Of this size are the pages in the answers of `isResident`. */
export const FILE_PAGE = 4096;

/** Some machines with other processors have larger pages, of which `isResident` would tell wrong things. */
const hasSuchPages = (libc.func('int getpagesize()')() as number) === FILE_PAGE;

/**
 * Maps a range of a file, to be read; it may go past the end of the file. Nobody but the kernel may read there, as a page that is not there is
 * made, and one that cannot be made ends the process.
 *
 * @returns The address, for `munmap`, or -errno: ENOMEM, EACCES and others; EOPNOTSUPP on a machine with other pages.
 */
export function mapToRead(descriptor: number, offset: number, length: number): number {
  if (!hasSuchPages) return -ERRNO.EOPNOTSUPP;
  return mmap(0, length, PROT_READ, MAP_SHARED, descriptor, offset);
}

/**
 * Tells which pages of a mapping are in memory: bit 0 of a byte for each page.
 *
 * @returns Whether the kernel has answered.
 */
export function isResident(address: number, length: number, pages: Uint8Array): boolean {
  return mincore(address, length, pages) === 0;
}
