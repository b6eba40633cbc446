import koffi from 'koffi';
import { assert } from '../util/assert.js';
import { errnoName } from '../util/errno.js';
import { EXIT_FAILED, SluiceError } from '../util/errors.js';
import { declare, libc } from './libc.js';

const mmapCall = libc.func(
  'void *mmap(void *address, size_t length, int protection, int flags, int fd, int64 offset)',
);

export const madvise = declare<[number, number, number]>(
  'int madvise(int64 address, size_t length, int advice)',
);

export const munmap = declare<[number, number]>('int munmap(int64 address, size_t length)');

const PROT_READ_WRITE = 3;
export const MAP_SHARED = 0x01;
const MAP_PRIVATE = 0x02;
const MAP_ANONYMOUS = 0x20;
const MAP_NORESERVE = 0x4000;
const MAP_POPULATE = 0x8000;

/** Memory outside the JavaScript heap. The kernel may be given its address. */
export interface Mapping {
  /** Address of the first byte; user space addresses are below 2^47. */
  readonly address: number;
  readonly buffer: ArrayBuffer;
}

/** Maps `length` bytes of `fd` at `offset`, shared and populated at once. For rings and files in memory. */
export function mapShared(fd: number, offset: number, length: number): Mapping {
  return mapping(length, MAP_SHARED | MAP_POPULATE, fd, offset);
}

/** Gives a mapping of `mapShared` back. Nobody may use its memory any more. */
export function unmapShared({ address, buffer }: Mapping): void {
  munmap(address, buffer.byteLength);
}

/** Mappings of this thread, by address. */
const anonymous: Mapping[] = [];

/**
 * Maps zeroed, page-aligned memory. A page takes no RAM until it is touched.
 *
 * @throws SluiceError ENOMEM, exit code 1: the process may have no more (`ulimit -v`, vm.max_map_count).
 */
export function mapAnonymous(length: number): Mapping {
  const made = mapping(length, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  anonymous.splice(firstBehind(made.address), 0, made);
  return made;
}

/** Gives a mapping of `mapAnonymous` back. Nobody may use its memory any more. */
export function unmap({ address, buffer }: Mapping): void {
  const at = firstBehind(address) - 1;
  assert(anonymous[at]?.address === address, 'memory that is given back is mapped');
  anonymous.splice(at, 1);
  munmap(address, buffer.byteLength);
}

/** The `length` bytes at an address of a mapping that `mapAnonymous` made in this thread. */
export function bytesAt(address: number, length: number): Uint8Array {
  const { address: start, buffer } = anonymous[firstBehind(address) - 1]!;
  return new Uint8Array(buffer, address - start, length);
}

/** Index of the first mapping that begins after an address. */
function firstBehind(address: number): number {
  let low = 0;
  let high = anonymous.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (anonymous[middle]!.address <= address) low = middle + 1;
    else high = middle;
  }
  return low;
}

function mapping(length: number, flags: number, fd: number, offset: number): Mapping {
  const pointer = mmapCall(null, length, PROT_READ_WRITE, flags, fd, offset);
  const address = Number(koffi.address(pointer));
  // koffi returns MAP_FAILED, the address -1, as an unsigned 64-bit number.
  if (address > Number.MAX_SAFE_INTEGER || address === 0) {
    const errno = errnoName(koffi.errno());
    throw new SluiceError(`no memory for ${length} bytes: ${errno}`, errno, EXIT_FAILED);
  }
  return { address, buffer: koffi.view(pointer, length) };
}
