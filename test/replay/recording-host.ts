import { fstatSync, ftruncateSync, readSync, writeSync } from 'node:fs';
import type { Memory } from '../../src/buffers/memory.js';
import type { Wire } from '../../src/fuse/dispatch.js';
import { type Engine, type EngineFile, type HostStatus, PENDING } from '../../src/host/engine.js';
import { pread, pwrite } from '../../src/sys/transfer.js';
import { type Barrier, type Change, HostRecord } from '../../tools/vopr/record.js';
import type { Reply } from '../plane/fake-host.js';

const EINVAL = 22;
const ENXIO = 6;

/** How operations end: `later`; `linked` to their reply where possible; or, for transfers, `at once`. */
export type Ending = 'later' | 'linked' | 'at once';

interface Op {
  kind: 'read' | 'write' | 'flush' | 'allocate' | 'resize' | 'reply';
  request: number;
  file: number;
  /** Address in the process; for a reply, offset in the plane's memory. */
  address: number;
  length: number;
  offset: number;
  change: Change | null;
  barrier: Barrier | null;
  link: Op | null;
}

/** Decides the result of an operation: -errno, or null for success. */
export type Fault = (kind: Op['kind']) => number | null;

/**
 * Engine and wire over files in memory. The test decides when and in which order operations are
 * carried out; all are recorded. The engine checks the alignment that direct I/O needs, and that memory
 * does not change while it is being written.
 */
export class RecordingHost implements Engine, Wire {
  readonly record = new HostRecord();
  readonly pending: Op[] = [];
  readonly replies = new Map<number, Reply>();
  fault: Fault = () => null;
  readonly #memory: Memory;
  readonly #files: EngineFile[] = [];
  readonly #alignment: number;
  readonly #ending: Ending;
  readonly #scratch: number;
  #unlinked: Op | null = null;

  /** @param scratch An open file without another use. */
  constructor(memory: Memory, alignment: number, ending: Ending, scratch: number) {
    this.#memory = memory;
    this.#alignment = alignment;
    this.#ending = ending;
    this.#scratch = scratch;
  }

  add(file: EngineFile): number {
    return this.#files.push(file) - 1;
  }

  remove(): void {}

  links(): boolean {
    return this.#ending === 'linked';
  }

  read(
    request: number,
    file: number,
    address: number,
    length: number,
    offset: number,
    linked: boolean,
  ): number {
    return this.#ask({ kind: 'read', request, file, address, length, offset }, linked);
  }

  write(
    request: number,
    file: number,
    address: number,
    length: number,
    offset: number,
    linked: boolean,
  ): number {
    const bytes = this.#copy(address, length);
    const change = this.#change(file, 'write', offset, length, bytes);
    return this.#ask({ kind: 'write', request, file, address, length, offset, change }, linked);
  }

  flush(request: number, file: number): number {
    const barrier = { file, issued: this.record.tick(), done: Number.POSITIVE_INFINITY };
    this.record.barriers.push(barrier);
    return this.#ask({ kind: 'flush', request, file, barrier }, false);
  }

  /** Mode 0 makes the file longer; the other modes in use write zeros within it. */
  allocate(request: number, file: number, mode: number, offset: number, length: number): number {
    const change = this.#change(file, mode === 0 ? 'longer' : 'zero', offset, length, null);
    return this.#ask({ kind: 'allocate', request, file, length, offset, change }, false);
  }

  resize(request: number, file: number, size: number): number {
    const change = this.#change(file, 'size', size, 0, null);
    return this.#ask({ kind: 'resize', request, file, offset: size, change }, false);
  }

  seek(): number {
    return -ENXIO;
  }

  setTimes(): number {
    return 0;
  }

  status(_request: number, file: number, status: HostStatus): number {
    status.size = fstatSync(this.#files[file]!.descriptor).size;
    return 0;
  }

  send(request: number, offset: number, length: number, linked: boolean): void {
    const before = this.#unlinked;
    this.#unlinked = null;
    if (linked !== (before !== null)) throw new Error('a reply and a transfer that do not belong');
    const op = this.#op({ kind: 'reply', request, address: offset, length });
    if (before === null) this.pending.push(op);
    else before.link = op;
  }

  /** Carries out one pending operation; returns its completion. */
  perform(index: number): { replied: boolean; request: number; result: number } {
    const [op] = this.pending.splice(index, 1) as [Op];
    const { request } = op;
    const result = op.kind === 'reply' ? 0 : this.#do(op);
    if (op.kind !== 'reply' && (op.link === null || result !== op.length)) {
      return { replied: false, request, result };
    }
    this.#deliver(op.link ?? op);
    return { replied: true, request, result: 0 };
  }

  #op(part: Partial<Op> & Pick<Op, 'kind' | 'request'>): Op {
    const none = { file: 0, address: 0, length: 0, offset: 0 };
    return { ...none, change: null, barrier: null, link: null, ...part };
  }

  #change(
    file: number,
    kind: Change['kind'],
    offset: number,
    length: number,
    bytes: Buffer | null,
  ): Change {
    const issued = this.record.tick();
    const done = Number.POSITIVE_INFINITY;
    const change = { file, kind, offset, length, bytes, issued, done, failed: false };
    this.record.changes.push(change);
    return change;
  }

  #ask(part: Partial<Op> & Pick<Op, 'kind' | 'request'>, linked: boolean): number {
    if (this.#unlinked !== null) throw new Error('a linked transfer without its reply behind it');
    const op = this.#op(part);
    const isTransfer = op.kind === 'read' || op.kind === 'write';
    if (this.#ending === 'at once' && isTransfer) return this.#do(op);
    this.pending.push(op);
    if (linked) this.#unlinked = op;
    return PENDING;
  }

  #do(op: Op): number {
    const { change, barrier } = op;
    const { descriptor } = this.#files[op.file]!;
    const fault = this.fault(op.kind);
    if (fault !== null) {
      if (change !== null) Object.assign(change, { failed: true, done: this.record.tick() });
      return fault;
    }
    let result = 0;
    if (op.kind === 'read' || op.kind === 'write') {
      if (((op.offset | op.length | op.address) & (this.#alignment - 1)) !== 0) return -EINVAL;
      if (op.kind === 'read') result = pread(descriptor, op.address, op.length, op.offset);
      else {
        if (!this.#copy(op.address, op.length).equals(change!.bytes!)) {
          throw new Error('memory changed while it was being written');
        }
        result = writeSync(descriptor, change!.bytes!, 0, op.length, op.offset);
      }
    } else if (op.kind === 'resize') ftruncateSync(descriptor, op.offset);
    else if (op.kind === 'allocate') {
      const { size } = fstatSync(descriptor);
      const end = op.offset + op.length;
      if (change!.kind === 'longer' && end > size) ftruncateSync(descriptor, end);
      const length = Math.max(0, Math.min(op.length, size - op.offset));
      if (change!.kind === 'zero')
        writeSync(descriptor, Buffer.alloc(length), 0, length, op.offset);
    }
    const now = this.record.tick();
    if (change !== null) change.done = now;
    if (barrier !== null) barrier.done = now;
    return result;
  }

  /** Copies memory at an address of the process. The kernel makes the copy, as it would for a disk. */
  #copy(address: number, length: number): Buffer {
    const bytes = Buffer.alloc(length);
    if (pwrite(this.#scratch, address, length, 0) !== length) throw new Error('no such memory');
    readSync(this.#scratch, bytes, 0, length, 0);
    return bytes;
  }

  #deliver(op: Op): void {
    const { view, bytes } = this.#memory;
    const at = op.address;
    if (view.getUint32(at, true) !== op.length) throw new Error('a reply of a wrong length');
    const unique = view.getUint32(at + 8, true);
    if (this.replies.has(unique)) throw new Error(`request ${unique} is answered twice`);
    const payload = bytes.slice(at + 16, at + op.length);
    this.replies.set(unique, { error: view.getInt32(at + 4, true), payload });
  }
}
