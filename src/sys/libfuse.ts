import koffi from 'koffi';
import { errnoName } from '../util/errno.js';
import { libc } from './libc.js';

/**
 * libfuse 2 as fuse-native brings it: what the package itself does not offer. Pointers are numbers,
 * because user space addresses are below 2^47.
 */
export interface Libfuse {
  /** Descriptor of /dev/fuse of a struct fuse_chan. */
  descriptor(channel: number): number;
  /** Bytes of the largest request that a channel takes. */
  bufferBytes(channel: number): number;
  /**
   * Starts threads that receive and handle requests until the session ends: fuse_session_loop, a
   * function of libfuse, is all that they run.
   * @returns How many could be started.
   */
  startThreads(channel: number, count: number): number;
}

const RTLD_NOW = 2;
/** A thread of libfuse calls two functions deep; the usual 8 MiB would count 8 GiB for a thousand. */
const STACK_BYTES = 256 << 10;
/** sizeof(pthread_attr_t) on 64-bit Linux. */
const ATTRIBUTE_BYTES = 56;

/** @throws Error of the dynamic loader. */
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

/** write(2) of a few bytes to a device: a count or the errno's name. */
export function writeBytes(fd: number, bytes: Uint8Array): number | string {
  const result = writeCall(fd, bytes, bytes.length) as number;
  return result < 0 ? errnoName(koffi.errno()) : result;
}
