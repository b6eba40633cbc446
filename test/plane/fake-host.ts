import { type Memory, SLOT_REQUEST, slotOffset } from '../../src/buffers/memory.js';
import type { Wire } from '../../src/fuse/dispatch.js';
import { type Engine, type EngineFile, type HostStatus, PENDING } from '../../src/host/engine.js';
import type { HostTimes } from '../../src/host/host-times.js';

const EINVAL = 22;
const ENXIO = 6;
const SEEK_HOLE = 4;
const ZEROING = 0x02 | 0x10;
const KEEP_SIZE = 0x01;

export type OpKind =
  | 'read'
  | 'write'
  | 'flush'
  | 'allocate'
  | 'resize'
  | 'seek'
  | 'times'
  | 'reply';

/** The times of a file, all set to one second. */
export function timesAt(seconds: number): HostTimes {
  const time = { seconds, nanoseconds: 0 };
  return { accessed: time, modified: time, changed: time };
}

/** An operation that the plane has queued and the simulated kernel has not carried out. */
export interface Op {
  kind: OpKind;
  request: number;
  file: number;
  /** Offset in the plane's memory. */
  place: number;
  length: number;
  offset: number;
  /** fallocate's mode, lseek's whence. */
  mode: number;
  /** The reply that is sent if, and only if, this transfer is complete. */
  link: Op | null;
  wantsLink: boolean;
}

/** A host file in memory that requires aligned I/O like O_DIRECT. */
export class FakeFile {
  readonly bytes: Uint8Array;
  size: number;
  readonly alignment: number;
  /** The result of fstat. */
  readonly status: HostStatus = { allocated: 0, times: timesAt(0), size: 0 };
  /** The operations so far, for instance `write 4096+512`. */
  readonly log: string[] = [];

  constructor(content: Uint8Array, alignment: number) {
    this.bytes = new Uint8Array(content.length + (1 << 20));
    this.bytes.set(content);
    this.size = content.length;
    this.alignment = alignment;
  }

  get content(): Uint8Array {
    return this.bytes.slice(0, this.size);
  }

  resize(size: number): void {
    if (size < this.size) this.bytes.fill(0, size, this.size);
    this.size = size;
  }
}

/** A reply as the kernel receives it. */
export interface Reply {
  error: number;
  payload: Uint8Array;
}

/** Decides the result of an operation: -errno, or a smaller count, or null for success. */
export type Fault = (op: Op) => number | null;

/**
 * How transfers end: `linked` to their reply; `plain`, with a completion each; `inline`, at once, like
 * those of a file in memory; `mixed`: inline up to 4096 bytes, linked above.
 */
export type Mode = 'linked' | 'plain' | 'inline' | 'mixed';
const MIXED_BYTES = 4096;

/**
 * Engine and wire with the semantics of io_uring and /dev/fuse, in memory. The test decides when and
 * in which order operations are carried out. A transfer linked to a reply completes only if it failed
 * or was short; the reply is then dropped silently.
 */
export class FakeHost implements Engine, Wire {
  readonly files: FakeFile[];
  readonly pending: Op[] = [];
  readonly replies = new Map<number, Reply>();
  fault: Fault = () => null;
  readonly #memory: Memory;
  readonly #mode: Mode;
  #unlinked: Op | null = null;

  constructor(memory: Memory, files: FakeFile[], mode: Mode) {
    this.#memory = memory;
    this.files = files;
    this.#mode = mode;
  }

  /** The files exist already and are added in order, so the descriptor is the handle. */
  add({ descriptor }: EngineFile): number {
    return descriptor;
  }

  remove(): void {}

  links(_file: number, length: number): boolean {
    return this.#mode === 'linked' || (this.#mode === 'mixed' && length > MIXED_BYTES);
  }

  read(
    request: number,
    file: number,
    address: number,
    length: number,
    offset: number,
    linked: boolean,
  ): number {
    return this.#transferOf('read', request, file, address, length, offset, linked);
  }
  write(
    request: number,
    file: number,
    address: number,
    length: number,
    offset: number,
    linked: boolean,
  ): number {
    return this.#transferOf('write', request, file, address, length, offset, linked);
  }
  flush(request: number, file: number, dataOnly: boolean): number {
    return this.#queue({ kind: 'flush', request, file, mode: dataOnly ? 1 : 0 });
  }
  allocate(request: number, file: number, mode: number, offset: number, length: number): number {
    return this.#queue({ kind: 'allocate', request, file, mode, offset, length });
  }
  resize(request: number, file: number, size: number): number {
    return this.#queue({ kind: 'resize', request, file, offset: size });
  }
  setTimes(request: number, file: number): number {
    return this.#queue({ kind: 'times', request, file });
  }
  status(_request: number, file: number, status: HostStatus): number {
    Object.assign(status, this.files[file]!.status);
    return 0;
  }

  seek(request: number, file: number, offset: number, whence: number): number {
    return this.#queue({ kind: 'seek', request, file, offset, mode: whence });
  }

  send(request: number, offset: number, length: number, linked: boolean): void {
    const before = this.#unlinked;
    this.#unlinked = null;
    if (linked !== (before !== null)) throw new Error('a reply and a transfer that do not belong');
    if (before === null) {
      this.#queue({ kind: 'reply', request, place: offset, length });
      return;
    }
    if (before.request !== request) throw new Error('a transfer is linked to another’s reply');
    before.link = this.#op({ kind: 'reply', request, place: offset, length });
  }

  /**
   * Carries out one operation and its linked reply.
   * @returns The completion: the operation with its result, or the reply.
   */
  perform(op: Op): { kind: 'completed' | 'replied'; request: number; result: number } {
    if (op.wantsLink && op.link === null) throw new Error('a transfer without the reply behind it');
    const result = op.kind === 'reply' ? 0 : this.#do(op);
    if (op.kind !== 'reply' && (op.link === null || result !== op.length)) {
      return { kind: 'completed', request: op.request, result };
    }
    this.#deliver(op.link ?? op);
    return { kind: 'replied', request: op.request, result: 0 };
  }

  #op(part: Partial<Op> & Pick<Op, 'kind' | 'request'>): Op {
    const none = { file: 0, place: 0, length: 0, offset: 0, mode: 0, link: null, wantsLink: false };
    return { ...none, ...part };
  }

  #transferOf(
    kind: 'read' | 'write',
    request: number,
    file: number,
    address: number,
    length: number,
    offset: number,
    linked: boolean,
  ): number {
    const place = address - this.#memory.address;
    const part = { kind, request, file, place, length, offset };
    if (linked && !this.links(file, length)) throw new Error('this transfer cannot be linked');
    const inline = this.#mode === 'inline' || (this.#mode === 'mixed' && !this.links(file, length));
    return inline ? this.#do(this.#op(part)) : this.#queue(part, linked);
  }

  #queue(part: Partial<Op> & Pick<Op, 'kind' | 'request'>, linked = false): number {
    if (this.#unlinked !== null) throw new Error('a linked transfer without its reply behind it');
    const op = this.#op({ ...part, wantsLink: linked });
    this.pending.push(op);
    if (linked) this.#unlinked = op;
    return PENDING;
  }

  #do(op: Op): number {
    const file = this.files[op.file]!;
    const fault = this.fault(op);
    file.log.push(`${op.kind} ${op.offset}+${op.length}`);
    if (fault !== null && fault < 0) return fault;
    if (op.kind === 'read' || op.kind === 'write')
      return this.#transfer(op, file, fault ?? op.length);
    if (op.kind === 'resize') file.resize(op.offset);
    else if (op.kind === 'allocate') this.#allocate(op, file);
    else if (op.kind === 'seek') {
      // A file without holes.
      if (op.offset >= file.size) return -ENXIO;
      return op.mode === SEEK_HOLE ? file.size : op.offset;
    }
    return 0;
  }

  #transfer(op: Op, file: FakeFile, length: number): number {
    const { bytes } = this.#memory;
    if (((op.offset | op.place | op.length) & (file.alignment - 1)) !== 0) return -EINVAL;
    if (op.kind === 'read') {
      const count = Math.max(0, Math.min(length, file.size - op.offset));
      bytes.set(file.bytes.subarray(op.offset, op.offset + count), op.place);
      return count;
    }
    file.bytes.set(bytes.subarray(op.place, op.place + length), op.offset);
    file.size = Math.max(file.size, op.offset + length);
    return length;
  }

  #allocate(op: Op, file: FakeFile): void {
    const end = op.offset + op.length;
    if ((op.mode & ZEROING) !== 0) file.bytes.fill(0, op.offset, Math.min(end, file.size));
    if ((op.mode & KEEP_SIZE) === 0) file.size = Math.max(file.size, end);
  }

  #deliver(op: Op): void {
    const { view, bytes } = this.#memory;
    const at = op.place;
    if (view.getUint32(at, true) !== op.length) throw new Error('a reply of a wrong length');
    const unique = view.getUint32(at + 8, true);
    if (this.replies.has(unique)) throw new Error(`request ${unique} is answered twice`);
    const payload = bytes.slice(at + 16, at + op.length);
    this.replies.set(unique, { error: view.getInt32(at + 4, true), payload });
  }
}

/** Writes a request to a slot as /dev/fuse would; returns its length. */
export function writeRequest(
  memory: Memory,
  slot: number,
  opcode: number,
  unique: number,
  node: number,
  body: Uint8Array,
): number {
  const at = slotOffset(slot) + SLOT_REQUEST;
  memory.bytes.fill(0, at, at + 40);
  memory.view.setUint32(at, 40 + body.length, true);
  memory.view.setUint32(at + 4, opcode, true);
  memory.view.setUint32(at + 8, unique, true);
  memory.view.setUint32(at + 16, node, true);
  memory.view.setUint32(at + 32, 4242, true); // the calling thread
  memory.bytes.set(body, at + 40);
  return 40 + body.length;
}
