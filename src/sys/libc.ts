import koffi from 'koffi';

/**
 * The C library through koffi. A call costs about 0.2 us. Sizes and offsets are numbers below 2^53;
 * each function returns what the C function returns, and `-errno` where that returns -1. (koffi gives
 * larger 64-bit results as BigInt: they become numbers that are close, for comparisons.)
 */
export const libc = koffi.load('libc.so.6');

/** Declares one libc function whose -1 becomes -errno. */
export function declare(prototype: string): (...args: unknown[]) => number {
  const call = libc.func(prototype);
  return (...args) => {
    const result = Number(call(...args));
    return result === -1 ? -koffi.errno() : result;
  };
}

/** The same for a call that may block for long: it runs in a thread of libuv's pool. */
function declareAsync(prototype: string): (...args: unknown[]) => Promise<number> {
  const call = libc.func(prototype);
  return (...args) =>
    new Promise((resolve, reject) => {
      call.async(...args, (error: unknown, result: number | bigint) => {
        // koffi hands over errno of that thread for the length of this callback only.
        if (error) reject(error);
        else resolve(result === -1 ? -koffi.errno() : Number(result));
      });
    });
}

export const open = declare('int open(const char *path, int flags, int mode)') as (
  path: string,
  flags: number,
  mode: number,
) => number;

export const close = declare('int close(int fd)') as (fd: number) => number;

export const mount = declare(
  'int mount(const char *source, const char *target, const char *type, ulong flags, const char *data)',
) as (source: string, target: string, type: string, flags: number, data: string) => number;

/** Waits for the writeback of the file system that it unmounts, so it has a thread of its own. */
export const umount2 = declareAsync('int umount2(const char *target, int flags)') as (
  target: string,
  flags: number,
) => Promise<number>;

/** fcntl(2) for the commands whose argument is a number, such as F_SETFL. */
export const fcntl = declare('int fcntl(int fd, int command, int argument)') as (
  fd: number,
  command: number,
  argument: number,
) => number;

/** poll(2) over `count` struct pollfd of 8 bytes: fd i32@0, events u16@4, revents u16@6. */
export const poll = declare('int poll(void *fds, ulong count, int timeout)') as (
  fds: DataView,
  count: number,
  timeoutMs: number,
) => number;

export const socketpair = declare(
  'int socketpair(int domain, int type, int protocol, _Out_ int *pair)',
) as (domain: number, type: number, protocol: number, pair: Int32Array) => number;

/** `header`: address of a struct msghdr; what it points at must stay alive during the call. */
export const recvmsg = declare('int64 recvmsg(int fd, int64 header, int flags)') as (
  fd: number,
  header: number,
  flags: number,
) => number;

/** lseek(2); a search for data or a hole may read the file's extents from disk. */
export const lseek = declareAsync('int64 lseek(int fd, int64 offset, int whence)') as (
  fd: number,
  offset: number,
  whence: number,
) => Promise<number>;

export const ftruncate = declareAsync('int ftruncate(int fd, int64 size)') as (
  fd: number,
  size: number,
) => Promise<number>;

/** futimens(3); may wait for the file system's journal. `times`: two of struct timespec. */
export const futimens = declareAsync('int futimens(int fd, const uint8_t *times)') as (
  fd: number,
  times: Uint8Array,
) => Promise<number>;

/** fallocate(2); zeroing may write. */
export const fallocate = declareAsync(
  'int fallocate(int fd, int mode, int64 offset, int64 length)',
) as (fd: number, mode: number, offset: number, length: number) => Promise<number>;

/** flock(2); the lock goes with the descriptor. */
export const flock = declare('int flock(int fd, int operation)') as (
  fd: number,
  operation: number,
) => number;

export const dup2 = declare('int dup2(int from, int to)') as (from: number, to: number) => number;

/** Anonymous memory behind a descriptor; see memfd_create(2). */
export const memfdCreate = declare('int memfd_create(const char *name, uint flags)') as (
  name: string,
  flags: number,
) => number;

export const eventfd = declare('int eventfd(uint initial, int flags)') as (
  initial: number,
  flags: number,
) => number;

/** lseek(2) for commands, which may wait. */
export const lseekNow = declare('int64 lseek(int fd, int64 offset, int whence)') as (
  fd: number,
  offset: number,
  whence: number,
) => number;
