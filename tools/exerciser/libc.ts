import koffi from 'koffi';
import { errnoName } from '../../src/util/errno.js';

/**
 * The C library calls of the exerciser. They take addresses instead of Buffers, because O_DIRECT needs
 * aligned memory, and because no view of a mapping must outlive it. A call returns the result of the C
 * function, but -errno instead of -1.
 */
const libc = koffi.load('libc.so.6');

function declare(prototype: string): (...args: unknown[]) => number {
  const call = libc.func(prototype);
  return (...args) => {
    const result = call(...args) as number;
    return result === -1 ? -koffi.errno() : result;
  };
}

export const O_DIRECT = 0o40000;
export const FALLOC_FL_KEEP_SIZE = 1;
export const FALLOC_FL_PUNCH_HOLE = 2;
export const FALLOC_FL_ZERO_RANGE = 16;
export const SEEK_DATA = 3;
export const SEEK_HOLE = 4;

const PROT_READ = 1;
const PROT_WRITE = 2;
const MAP_SHARED = 1;
const MAP_PRIVATE_ANONYMOUS = 0x22;
const MS_SYNC = 4;
const MADV_POPULATE_READ = 22;
const MADV_POPULATE_WRITE = 23;

/** The calls that the exerciser makes. Its tests replace some by faulty ones. */
export interface Calls {
  open(path: string, flags: number, mode: number): number;
  close(fd: number): number;
  pread(fd: number, address: number, length: number, offset: number): number;
  pwrite(fd: number, address: number, length: number, offset: number): number;
  /** Like pwrite, on another thread. Returns -1 on an error, because errno stays on that thread. */
  pwriteAsync(fd: number, address: number, length: number, offset: number): Promise<number>;
  fallocate(fd: number, mode: number, offset: number, length: number): number;
  ftruncate(fd: number, length: number): number;
  lseek(fd: number, offset: number, whence: number): number;
  fsync(fd: number): number;
  fdatasync(fd: number): number;
  /** Maps whole pages, shared and already present; `-errno` if a page cannot be read. */
  map(fd: number, offset: number, length: number, writable: boolean): number;
  msync(address: number, length: number): number;
  munmap(address: number, length: number): number;
}

const pwritePrototype = 'int64 pwrite(int fd, int64 buffer, size_t length, int64 offset)';
const pwriteCall = libc.func(pwritePrototype);
const mmapCall = libc.func(
  'void *mmap(void *address, size_t length, int protection, int flags, int fd, int64 offset)',
);
const msyncCall = declare('int msync(int64 address, size_t length, int flags)');
const madviseCall = declare('int madvise(int64 address, size_t length, int advice)');
const munmapCall = declare('int munmap(int64 address, size_t length)');
const memcpyCall = libc.func('void *memcpy(int64 to, int64 from, size_t length)');

function map(fd: number, offset: number, length: number, writable: boolean): number {
  const protection = writable ? PROT_READ | PROT_WRITE : PROT_READ;
  const pointer = mmapCall(null, length, protection, MAP_SHARED, fd, offset);
  const address = Number(koffi.address(pointer));
  if (address > Number.MAX_SAFE_INTEGER) return -koffi.errno();
  // Touching a page that cannot be read ends the process by SIGBUS; this returns EFAULT instead.
  const got = madviseCall(address, length, writable ? MADV_POPULATE_WRITE : MADV_POPULATE_READ);
  if (got < 0 && errnoName(got) !== 'EINVAL') {
    munmapCall(address, length);
    return got;
  }
  return address;
}

/** The real calls. */
export const systemCalls: Calls = {
  open: declare('int open(const char *path, int flags, int mode)'),
  close: declare('int close(int fd)'),
  pread: declare('int64 pread(int fd, int64 buffer, size_t length, int64 offset)'),
  pwrite: declare(pwritePrototype),
  pwriteAsync: (...args) =>
    new Promise((resolve, reject) => {
      pwriteCall.async(...args, (error: Error | null, result: number) =>
        error === null ? resolve(result) : reject(error),
      );
    }),
  fallocate: declare('int fallocate(int fd, int mode, int64 offset, int64 length)'),
  ftruncate: declare('int ftruncate(int fd, int64 length)'),
  lseek: declare('int64 lseek(int fd, int64 offset, int whence)'),
  fsync: declare('int fsync(int fd)'),
  fdatasync: declare('int fdatasync(int fd)'),
  map,
  msync: (address, length) => msyncCall(address, length, MS_SYNC),
  munmap: munmapCall,
};

/** Copies memory outside the JavaScript heap: to and from mappings. */
export function copyMemory(to: number, from: number, length: number): void {
  memcpyCall(to, from, length);
}

/** Page-aligned memory that stays mapped until the process ends. */
export interface Memory {
  readonly address: number;
  readonly bytes: Buffer;
}

/** @throws Error if there is no memory. */
export function allocateMemory(length: number): Memory {
  const pointer = mmapCall(null, length, PROT_READ | PROT_WRITE, MAP_PRIVATE_ANONYMOUS, -1, 0);
  const address = Number(koffi.address(pointer));
  if (address > Number.MAX_SAFE_INTEGER) throw new Error(`mmap: ${errnoName(koffi.errno())}`);
  return { address, bytes: Buffer.from(koffi.view(pointer, length)) };
}
