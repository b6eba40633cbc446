import { lseekNow } from '../sys/libc.js';
import { pread } from '../sys/transfer.js';
import { ERRNO } from '../util/errno.js';
import { type Engine, type EngineFile, type HostStatus, statusNow, type Task } from './engine.js';
import type { WaitingExport } from './nbd-waiting.js';

const READ_ONLY = (): number => -ERRNO.EROFS;

/** A host file as this engine needs to know it. */
export interface SyncFile extends EngineFile {
  /** It is an export of an NBD server. */
  waiting?: WaitingExport | undefined;
}

/** Reads of host files by plain calls that wait: for commands that look at an image. */
export class SyncEngine implements Engine {
  readonly #files: SyncFile[] = [];

  add(file: SyncFile): number {
    return this.#files.push(file) - 1;
  }

  remove(file: number): void {
    delete this.#files[file];
  }

  links(): boolean {
    return false;
  }

  read(_request: number, file: number, address: number, length: number, offset: number): number {
    const { descriptor, waiting } = this.#files[file]!;
    if (waiting !== undefined) return waiting.readTo(address, length, offset);
    return pread(descriptor, address, length, offset);
  }

  seek(_request: number, file: number, offset: number, whence: number): number {
    const { descriptor, waiting } = this.#files[file]!;
    return waiting?.seek(offset, whence) ?? lseekNow(descriptor, offset, whence);
  }

  status(_request: number, file: number, status: HostStatus): number {
    return statusNow(this.#files[file]!.descriptor, status);
  }

  readonly write = READ_ONLY;
  readonly flush = READ_ONLY;
  readonly allocate = READ_ONLY;
  readonly resize = READ_ONLY;
  readonly setTimes = READ_ONLY;
}

/** Runs a task to its end with an engine that never answers PENDING. */
export function runNow(task: Task): number {
  let step = task.next(0);
  while (!step.done) step = task.next(step.value);
  return step.value;
}
