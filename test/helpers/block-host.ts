import { SLOT_BYTES } from '../../src/buffers/memory.js';
import type { Engine, Task } from '../../src/host/engine.js';
import type { DriverIo } from '../../src/image/driver.js';
import { Mappings } from '../../src/image/mappings.js';
import { bytesAt, mapAnonymous } from '../../src/sys/memory.js';

const EINVAL = 22;

/** Host files in memory whose transfers end at once. Like O_DIRECT, they take whole blocks only. */
export class BlockHost {
  readonly files: Buffer[];
  /** The calls so far, for instance `write 1 4096+512`. */
  readonly log: string[] = [];
  /** Decides the result of a call by its text; null lets it be made. */
  fault: (call: string) => number | null = () => null;
  /** Requests that were resumed. */
  readonly resumed: number[] = [];
  readonly io: DriverIo;
  readonly #memory = mapAnonymous(2 * SLOT_BYTES);
  readonly #alignment: number;

  constructor(files: readonly Buffer[], alignment: number) {
    this.files = files.map((file) => Buffer.from(file));
    this.#alignment = alignment;
    const engine: Partial<Engine> = {
      read: (_request, file, address, length, offset) => {
        return this.#call('read', file, offset, length, address, (bytes) => {
          const part = this.files[file]!.subarray(offset, offset + length);
          bytes.set(part);
          return part.length;
        });
      },
      write: (_request, file, address, length, offset) => {
        return this.#call('write', file, offset, length, address, (bytes) => {
          const missing = offset + length - this.files[file]!.length;
          if (missing > 0) {
            this.files[file] = Buffer.concat([this.files[file]!, Buffer.alloc(missing)]);
          }
          this.files[file]!.set(bytes, offset);
          return length;
        });
      },
      allocate: (_request, file, mode, offset, length) => {
        return this.#note(`allocate ${file} ${offset}+${length} mode ${mode}`, () => {
          this.files[file]!.fill(0, offset, offset + length);
          return 0;
        });
      },
      resize: (_request, file, size) => {
        return this.#note(`resize ${file} ${size}`, () => {
          this.files[file] = this.files[file]!.subarray(0, size);
          return 0;
        });
      },
      flush: (_request, file) => this.#note(`flush ${file}`, () => 0),
    };
    this.io = {
      engine: engine as Engine,
      memory: { address: this.#memory.address, bytes: this.bytes } as DriverIo['memory'],
      resume: (request) => this.resumed.push(request),
      inflateCalls: {} as DriverIo['inflateCalls'],
      mappings: new Mappings(),
      slotOf: () => 0,
      watch: () => () => true,
    };
  }

  /** The memory of the plane: slot 0 belongs to the request, slot 1 is free for payload. */
  get bytes(): Uint8Array {
    return new Uint8Array(this.#memory.buffer);
  }

  #call(
    name: string,
    file: number,
    offset: number,
    length: number,
    address: number,
    transfer: (bytes: Uint8Array) => number,
  ): number {
    return this.#note(`${name} ${file} ${offset}+${length}`, () => {
      // Addresses of memory are far above 2^32.
      const isAligned = [offset, length, address].every((one) => one % this.#alignment === 0);
      return isAligned ? transfer(bytesAt(address, length)) : -EINVAL;
    });
  }

  #note(call: string, make: () => number): number {
    this.log.push(call);
    return this.fault(call) ?? make();
  }
}

/** The result of a task whose host calls end at once. */
export function runTask(task: Task): number {
  let step = task.next(0);
  while (!step.done) step = task.next(step.value);
  return step.value;
}
