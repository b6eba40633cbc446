/** Environment variable that gives libuv's pool its size; read at its first use. */
export const POOL_SIZE = 'UV_THREADPOOL_SIZE';
/**
 * Threads for host files: as many requests as a disk is given at once. Idle ones cost 20 KB each;
 * 4, libuv's own number, would hold back a disk that can do more.
 */
export const POOL_THREADS = 16;
