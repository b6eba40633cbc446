import { fdatasyncSync, fstatSync, fsyncSync, ftruncateSync, futimesSync } from 'node:fs';
import {
  type Engine,
  type EngineFile,
  fillStatus,
  type HostStatus,
} from '../../src/host/engine.js';
import { FALLOC_PUNCH_HOLE } from '../../src/sys/constants.js';
import { declare, lseekNow } from '../../src/sys/libc.js';
import { pread, pwrite } from '../../src/sys/transfer.js';
import { ERRNO } from '../../src/util/errno.js';

/** fallocate(2) that blocks this thread. */
const fallocate = declare<[number, number, number, number]>(
  'int fallocate(int fd, int mode, int64 offset, int64 length)',
);
/** Room that is set aside at once, bytes: the file system is one in memory. */
const ROOM_MAX = 16 << 20;

/** The result of a call of node:fs: 0 or -errno. */
function resultOf(call: () => void): number {
  try {
    call();
    return 0;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const errno = ERRNO[code as keyof typeof ERRNO];
    if (errno === undefined) throw error;
    return -errno;
  }
}

/** An engine of synchronous calls that checks the place of every write. */
export class FileEngine implements Engine {
  readonly #descriptors: number[] = [];
  /** The writable files, each with the offset past which no write may go, bytes. */
  readonly limits = new Map<number, number>();

  add({ descriptor }: EngineFile): number {
    return this.#descriptors.push(descriptor) - 1;
  }

  remove(): void {}

  links(): boolean {
    return false;
  }

  read(_request: number, file: number, address: number, length: number, offset: number): number {
    return pread(this.#descriptors[file]!, address, length, offset);
  }

  write(_request: number, file: number, address: number, length: number, offset: number): number {
    this.#check(file, offset, length);
    return pwrite(this.#descriptors[file]!, address, length, offset);
  }

  flush(_request: number, file: number, dataOnly: boolean): number {
    (dataOnly ? fdatasyncSync : fsyncSync)(this.#descriptors[file]!);
    return 0;
  }

  allocate(_request: number, file: number, mode: number, offset: number, length: number): number {
    this.#check(file, offset, length);
    const keepsAll = (mode & FALLOC_PUNCH_HOLE) === 0;
    if (keepsAll && length > ROOM_MAX) return -ERRNO.ENOSPC;
    return fallocate(this.#descriptors[file]!, mode, offset, length);
  }

  resize(_request: number, file: number, size: number): number {
    this.#check(file, 0, size);
    return resultOf(() => ftruncateSync(this.#descriptors[file]!, size));
  }

  seek(_request: number, file: number, offset: number, whence: number): number {
    return lseekNow(this.#descriptors[file]!, offset, whence);
  }

  setTimes(_request: number, file: number): number {
    return resultOf(() => futimesSync(this.#descriptors[file]!, 1, 1));
  }

  status(_request: number, file: number, status: HostStatus): number {
    fillStatus(status, fstatSync(this.#descriptors[file]!, { bigint: true }));
    return 0;
  }

  #check(file: number, offset: number, length: number): void {
    const limit = this.limits.get(file);
    if (limit === undefined) throw new Error(`file ${file} is written, which is no image`);
    if (offset + length > limit) {
      throw new Error(`${length} bytes are written at ${offset}; the limit is ${limit}`);
    }
  }
}
