import { declare } from './libc.js';

const statx = declare<[number, string, number, number, DataView]>(
  'int statx(int dir, const char *path, int flags, uint mask, void *buffer)',
);

const AT_EMPTY_PATH = 0x1000;
const STATX_DIOALIGN = 0x2000;
// struct statx: 256 bytes.
const STATX_BYTES = 256;
const STATX_MASK = 0;
const STATX_DIO_MEM_ALIGN = 152;
const STATX_DIO_OFFSET_ALIGN = 156;

/**
 * The alignment in bytes that direct I/O on a descriptor requires of offsets, lengths and memory.
 * @returns 0 if the file has no direct I/O; undefined if the kernel (before 6.1) or the file system does
 *   not tell.
 */
export function directIoAlignment(descriptor: number): number | undefined {
  const buffer = new DataView(new ArrayBuffer(STATX_BYTES));
  if (statx(descriptor, '', AT_EMPTY_PATH, STATX_DIOALIGN, buffer) < 0) return undefined;
  if ((buffer.getUint32(STATX_MASK, true) & STATX_DIOALIGN) === 0) return undefined;
  const offsets = buffer.getUint32(STATX_DIO_OFFSET_ALIGN, true);
  return Math.max(offsets, buffer.getUint32(STATX_DIO_MEM_ALIGN, true));
}
