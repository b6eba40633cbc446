import koffi from 'koffi';

/**
 * Functions of the C library, called through koffi; a call costs about 0.2 us. Each returns the result of
 * the C function, or -errno if that is -1. Sizes and offsets are numbers below 2^53; a larger result is
 * rounded.
 */
export const libc = koffi.load('libc.so.6');

/** Declares a function whose result -1 becomes -errno. */
export function declare(prototype: string): (...args: unknown[]) => number {
  const call = libc.func(prototype);
  return (...args) => {
    const result = Number(call(...args));
    return result === -1 ? -koffi.errno() : result;
  };
}

/** Declares a function that may block: it runs in a thread of libuv's pool. */
function declareAsync(prototype: string): (...args: unknown[]) => Promise<number> {
  const call = libc.func(prototype);
  return (...args) =>
    new Promise((resolve, reject) => {
      call.async(...args, (error: unknown, result: number | bigint) => {
        // Only in this callback does koffi.errno() return the errno of that thread.
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

/** umount2(2) waits for the write-back of the file system. */
export const umount2 = declareAsync('int umount2(const char *target, int flags)') as (
  target: string,
  flags: number,
) => Promise<number>;

/** fcntl(2) for commands with a number as argument, such as F_SETFL. */
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

/** poll(2) that blocks a thread of libuv's pool; what it has found is not told. `fds` is as in `poll`. */
export const pollLong = declareAsync('int poll(const uint8_t *fds, ulong count, int timeout)') as (
  fds: Uint8Array,
  count: number,
  timeoutMs: number,
) => Promise<number>;

export const socketpair = declare(
  'int socketpair(int domain, int type, int protocol, _Out_ int *pair)',
) as (domain: number, type: number, protocol: number, pair: Int32Array) => number;

/** `header`: address of a struct msghdr. The memory that it points at must stay alive during the call. */
export const recvmsg = declare('int64 recvmsg(int fd, int64 header, int flags)') as (
  fd: number,
  header: number,
  flags: number,
) => number;

/** lseek(2). SEEK_DATA and SEEK_HOLE may read the extents of the file from disk. */
export const lseek = declareAsync('int64 lseek(int fd, int64 offset, int whence)') as (
  fd: number,
  offset: number,
  whence: number,
) => Promise<number>;

export const ftruncate = declareAsync('int ftruncate(int fd, int64 size)') as (
  fd: number,
  size: number,
) => Promise<number>;

/** futimens(3) may wait for the journal of the file system. `times`: two of struct timespec. */
export const futimens = declareAsync('int futimens(int fd, const uint8_t *times)') as (
  fd: number,
  times: Uint8Array,
) => Promise<number>;

/** fallocate(2) may write zeros. */
export const fallocate = declareAsync(
  'int fallocate(int fd, int mode, int64 offset, int64 length)',
) as (fd: number, mode: number, offset: number, length: number) => Promise<number>;

/** flock(2). Closing the descriptor releases the lock. */
export const flock = declare('int flock(int fd, int operation)') as (
  fd: number,
  operation: number,
) => number;

export const dup2 = declare('int dup2(int from, int to)') as (from: number, to: number) => number;

export const memfdCreate = declare('int memfd_create(const char *name, uint flags)') as (
  name: string,
  flags: number,
) => number;

export const eventfd = declare('int eventfd(uint initial, int flags)') as (
  initial: number,
  flags: number,
) => number;

/** lseek(2) that blocks this thread: for commands. */
export const lseekNow = declare('int64 lseek(int fd, int64 offset, int whence)') as (
  fd: number,
  offset: number,
  whence: number,
) => number;

const prctl = libc.func('prctl', 'int', ['int', 'ulong', 'ulong', 'ulong', 'ulong']);

const PR_SET_TIMERSLACK = 29;
const PR_SET_IO_FLUSHER = 57;

/** Makes the sleeps of this thread end within a microsecond of their time; the usual slack is 50 us. */
export function preciseTimers(): void {
  prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0);
}

/**
 * Tells the kernel that this thread serves block I/O: the thread then never waits for write-back of
 * memory that only it can write back. Needs CAP_SYS_RESOURCE.
 *
 * @returns Whether the kernel granted it.
 */
export function becomeIoFlusher(): boolean {
  return prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0) === 0;
}
