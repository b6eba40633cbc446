/**
 * System calls that may wait for a disk and for which io_uring has no operation. They run outside the
 * data plane's thread; the result (a number from 0, or -errno) comes through `Plane.completed`.
 */
export interface SlowCalls {
  lseek(request: number, descriptor: number, offset: number, whence: number): void;
  /** @param times Two of struct timespec. */
  futimens(request: number, descriptor: number, times: Uint8Array): void;
  ftruncate(request: number, descriptor: number, size: number): void;
}
