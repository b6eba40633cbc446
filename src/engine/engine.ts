/**
 * Reads and writes of host files. Files are indices in the list that the engine was made with;
 * addresses are memory; lengths and offsets are bytes. Each operation ends in one call of
 * `Plane.completed(request, result)`, result being a count or -errno.
 *
 * What is started in one turn goes down together when the turn ends (plug … unplug).
 */
export interface Engine {
  /**
   * True if a transfer can be linked to the reply that is queued right behind it: the reply goes out
   * when, and only when, the transfer was complete, and `completed` is called only if it was not.
   */
  readonly links: boolean;
  read(
    request: number,
    file: number,
    address: number,
    length: number,
    offset: number,
    linked: boolean,
  ): void;
  write(
    request: number,
    file: number,
    address: number,
    length: number,
    offset: number,
    linked: boolean,
  ): void;
  /** fsync(2), or fdatasync(2) if `dataOnly`. */
  flush(request: number, file: number, dataOnly: boolean): void;
  /** fallocate(2) with its mode bits. */
  allocate(request: number, file: number, mode: number, offset: number, length: number): void;
  /** ftruncate(2). */
  resize(request: number, file: number, size: number): void;
  /** lseek(2) with SEEK_DATA or SEEK_HOLE; result: the offset. */
  seek(request: number, file: number, offset: number, whence: number): void;
}
