import { libc } from './libc.js';

const prctl = libc.func('prctl', 'int', ['int', 'ulong', 'ulong', 'ulong', 'ulong']);

const PR_SET_TIMERSLACK = 29;
const PR_SET_IO_FLUSHER = 57;

/** Sleeps of this thread end within a microsecond of their time; the usual slack is 50 us. */
export function preciseTimers(): void {
  prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0);
}

/**
 * Tells the kernel that this thread serves block I/O: it may not wait for write-back of memory that
 * only this thread can write back. Needs CAP_SYS_RESOURCE.
 * @returns Whether the kernel granted it.
 */
export function becomeIoFlusher(): boolean {
  return prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0) === 0;
}
