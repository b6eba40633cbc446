import koffi from 'koffi';

/**
 * Functions of the C library, called through koffi; a call costs about 0.2 us. Each returns the result of
 * the C function, or -errno if that is -1. Sizes and offsets are numbers below 2^53; a larger result is
 * rounded.
 */
export const libc = koffi.load('libc.so.6');

/** Declares a function of C, whose result -1 becomes -errno, with the types of its arguments here. */
export function declare<A extends unknown[]>(prototype: string): (...args: A) => number {
  const call = libc.func(prototype);
  return (...args) => {
    const result = Number(call(...args));
    return result === -1 ? -koffi.errno() : result;
  };
}

/** Declares a function that may block: it runs in a thread of libuv's pool. */
function declareAsync<A extends unknown[]>(prototype: string): (...args: A) => Promise<number> {
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

export const open = declare<[string, number, number]>(
  'int open(const char *path, int flags, int mode)',
);

export const close = declare<[number]>('int close(int fd)');

export const mount = declare<[string, string, string, number, string]>(
  'int mount(const char *source, const char *target, const char *type, ulong flags, const char *data)',
);

/** umount2(2) waits for the write-back of the file system. */
export const umount2 = declareAsync<[string, number]>('int umount2(const char *target, int flags)');

/** fcntl(2) for commands with a number as argument, such as F_SETFL. */
export const fcntl = declare<[number, number, number]>(
  'int fcntl(int fd, int command, int argument)',
);

/** ioctl(2) with memory as argument. */
export const ioctl = declare<[number, number, DataView]>(
  'int ioctl(int fd, ulong command, void *argument)',
);

/** poll(2) over `count` struct pollfd of 8 bytes: fd i32@0, events u16@4, revents u16@6. */
export const poll = declare<[DataView, number, number]>(
  'int poll(void *fds, ulong count, int timeout)',
);

/** poll(2) that blocks a thread of libuv's pool; what it has found is not told. `fds` is as in `poll`. */
export const pollLong = declareAsync<[Uint8Array, number, number]>(
  'int poll(const uint8_t *fds, ulong count, int timeout)',
);

export const socketpair = declare<[number, number, number, Int32Array]>(
  'int socketpair(int domain, int type, int protocol, _Out_ int *pair)',
);

/** `header`: address of a struct msghdr. The memory that it points at must stay alive during the call. */
export const recvmsg = declare<[number, number, number]>(
  'int64 recvmsg(int fd, int64 header, int flags)',
);

/** lseek(2). SEEK_DATA and SEEK_HOLE may read the extents of the file from disk. */
export const lseek = declareAsync<[number, number, number]>(
  'int64 lseek(int fd, int64 offset, int whence)',
);

export const ftruncate = declareAsync<[number, number]>('int ftruncate(int fd, int64 size)');

/** futimens(3) may wait for the journal of the file system. `times`: two of struct timespec. */
export const futimens = declareAsync<[number, Uint8Array]>(
  'int futimens(int fd, const uint8_t *times)',
);

/** fallocate(2) may write zeros. */
export const fallocate = declareAsync<[number, number, number, number]>(
  'int fallocate(int fd, int mode, int64 offset, int64 length)',
);

/** flock(2). Closing the descriptor releases the lock. */
export const flock = declare<[number, number]>('int flock(int fd, int operation)');

const signal = declare<[number, number]>('intptr_t signal(int number, intptr_t handler)');
const SIG_IGN = 1;

/** signal(2) with SIG_IGN, for signals that Node.js has no name for. Programs that are started inherit it. */
export function ignoreSignal(number: number): void {
  signal(number, SIG_IGN);
}

export const dup2 = declare<[number, number]>('int dup2(int from, int to)');

export const pipe2 = declare<[Int32Array, number]>('int pipe2(_Out_ int *pair, int flags)');

export const memfdCreate = declare<[string, number]>(
  'int memfd_create(const char *name, uint flags)',
);

export const eventfd = declare<[number, number]>('int eventfd(uint initial, int flags)');

/** fallocate(2) that blocks this thread. */
export const fallocateNow = declare<[number, number, number, number]>(
  'int fallocate(int fd, int mode, int64 offset, int64 length)',
);

/** lseek(2) that blocks this thread: for commands. */
export const lseekNow = declare<[number, number, number]>(
  'int64 lseek(int fd, int64 offset, int whence)',
);

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
