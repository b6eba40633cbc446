import koffi from 'koffi';
import { libc } from './libc.js';

// pread(2) and pwrite(2) for the data path. They have no wrapper that collects arguments, and a result
// of 32 bits, which needs no heap number: a transfer has at most 1 MiB. Both return a count or -errno.
const preadCall = libc.func('pread', 'int', ['int', 'int64', 'size_t', 'int64']);
const pwriteCall = libc.func('pwrite', 'int', ['int', 'int64', 'size_t', 'int64']);

export function pread(fd: number, address: number, length: number, offset: number): number {
  const result = preadCall(fd, address, length, offset) as number;
  return result < 0 ? -koffi.errno() : result;
}

export function pwrite(fd: number, address: number, length: number, offset: number): number {
  const result = pwriteCall(fd, address, length, offset) as number;
  return result < 0 ? -koffi.errno() : result;
}

/** Posts the uv_sem_t at an address: wakes a thread that waits for it. Node.js itself exports libuv. */
export const postSemaphore = koffi.load(null).func('uv_sem_post', 'void', ['int64']) as unknown as (
  address: number,
) => void;

const memcpyCall = libc.func('memcpy', 'int64', ['int64', 'int64', 'size_t']);
const memsetCall = libc.func('memset', 'int64', ['int64', 'int', 'size_t']);

/** memcpy(3), without a view of either place. */
export function copyMemory(to: number, from: number, length: number): void {
  memcpyCall(to, from, length);
}

/** memset(3) with zeros. */
export function clearMemory(at: number, length: number): void {
  memsetCall(at, 0, length);
}
