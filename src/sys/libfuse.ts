import koffi from 'koffi';
import { errnoName } from '../util/errno.js';
import { libc } from './libc.js';

/**
 * Functions of the libfuse 2 in fuse-native that the package does not export. Pointers are numbers:
 * addresses of user space are below 2^47.
 */
export interface Libfuse {
  /** Descriptor of /dev/fuse that a struct fuse_chan uses. */
  descriptor(channel: number): number;
  /** Size of the largest request of a channel, bytes. */
  bufferBytes(channel: number): number;
  /**
   * Starts threads that run fuse_session_loop: they receive and handle requests until the session ends.
   * @returns The number of threads started.
   */
  startThreads(channel: number, count: number): number;
}

const RTLD_NOW = 2;
/** A thread of libfuse needs little stack; with the usual 8 MiB, a thousand threads reserve 8 GiB. */
const STACK_BYTES = 256 << 10;
/** sizeof(pthread_attr_t) on 64-bit Linux. */
const ATTRIBUTE_BYTES = 56;

/** @throws Error if the library cannot be loaded. */
export function loadLibfuse(path: string): Libfuse {
  const library = koffi.load(path);
  const session = library.func('int64 fuse_chan_session(int64 channel)');
  const handle = libc.func('int64 dlopen(const char *path, int mode)')(path, RTLD_NOW) as number;
  const dlsym = libc.func('int64 dlsym(int64 handle, const char *name)');
  const loop = dlsym(handle, 'fuse_session_loop') as number;
  const create = libc.func('int pthread_create(void *id, void *attr, int64 start, int64 argument)');
  const attributes = new Uint8Array(ATTRIBUTE_BYTES);
  libc.func('int pthread_attr_init(void *attr)')(attributes);
  libc.func('int pthread_attr_setstacksize(void *attr, size_t bytes)')(attributes, STACK_BYTES);
  libc.func('int pthread_attr_setdetachstate(void *attr, int state)')(attributes, 1);
  return {
    descriptor: library.func('int fuse_chan_fd(int64 channel)') as Libfuse['descriptor'],
    bufferBytes: library.func('size_t fuse_chan_bufsize(int64 channel)') as Libfuse['bufferBytes'],
    startThreads(channel, count) {
      const id = new Uint8Array(8);
      for (let started = 0; started < count; started++) {
        if (create(id, attributes, loop, session(channel)) !== 0) return started;
      }
      return count;
    },
  };
}

const writeCall = libc.func('int64 write(int fd, void *bytes, size_t length)');

/** write(2) of a few bytes to a device. Returns a count, or the name of an errno. */
export function writeBytes(fd: number, bytes: Uint8Array): number | string {
  const result = writeCall(fd, bytes, bytes.length) as number;
  return result < 0 ? errnoName(koffi.errno()) : result;
}
