import { fdatasyncSync, fstatSync, fsyncSync, ftruncateSync, writeSync } from 'node:fs';
import {
  type Engine,
  type EngineFile,
  fillStatus,
  type HostStatus,
} from '../../src/host/engine.js';
import { pread, pwrite } from '../../src/sys/transfer.js';

const PUNCH_HOLE = 0x02;
const ZERO_RANGE = 0x10;

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
    const descriptor = this.#descriptors[file]!;
    const { size } = fstatSync(descriptor);
    if ((mode & (PUNCH_HOLE | ZERO_RANGE)) === 0) {
      if (offset + length > size) ftruncateSync(descriptor, offset + length);
    } else {
      const bytes = new Uint8Array(Math.max(0, Math.min(length, size - offset)));
      writeSync(descriptor, bytes, 0, bytes.length, offset);
    }
    return 0;
  }

  resize(_request: number, file: number, size: number): number {
    this.#check(file, 0, size);
    ftruncateSync(this.#descriptors[file]!, size);
    return 0;
  }

  seek(): number {
    throw new Error('nobody seeks');
  }

  setTimes(): number {
    throw new Error('nobody sets times');
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
