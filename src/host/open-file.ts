/** A file as the control path reads it: by plain calls that may wait. */
export interface ReadableFile {
  /** As it was opened; for messages. */
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  /** `length` bytes from `offset`; zeros past the end of the file. */
  read(offset: number, length: number): Uint8Array;
}

/** A file that may be changed, by plain calls that wait. */
export interface WritableFile extends ReadableFile {
  /** Bytes that take room on the host. */
  readonly allocated: number;
  write(offset: number, bytes: Uint8Array): void;
  /** Puts on the disk all that was written. */
  sync(): void;
}

/** A regular file or block device that is open for reading. */
export interface OpenFile extends ReadableFile {
  readonly descriptor: number;
  /** A path that opens this very file again, even if `path` leads to another one by now. */
  readonly link: string;
  /** A block device, or an export of an NBD server: nothing written makes it larger. */
  readonly blockDevice: boolean;
  /** Bytes that take room on the host. */
  readonly allocated: number;
  /** Does a path lead to this file? */
  isAt(path: string): boolean;
  /** Looks again how large the file is. */
  refresh(): void;
}
