import { SLOT_DATA, slotOffset } from '../buffers/memory.js';
import type { Task } from '../host/engine.js';
import { PENDING } from '../host/engine.js';
import { BROKEN, COMPRESSED, DATA, METADATA, ZERO } from '../image/image.js';
import { ERRNO } from '../util/errno.js';
import type { Parts } from './parts.js';
import { PLAIN } from './requests.js';

/**
 * READ of a disk. One aligned extent, the common case, is a transfer into the request's slot with
 * the reply linked behind it; everything else is a task.
 */
export class Reads {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** The request is admitted and holds a slot. */
  start(request: number): void {
    const { requests, disks, engine, extent, memory, replies } = this.#parts;
    const disk = disks[requests.disk[request]!]!;
    const offset = requests.offset[request]!;
    const length = requests.length[request]!;
    disk.image.map(offset, length, extent);
    if (extent.kind === ZERO && extent.length >= length) {
      const at = this.#dataOffset(request);
      memory.bytes.fill(0, at, at + length);
      this.reply(request, length);
      return;
    }
    const unaligned = ((extent.offset | length) & (disk.config.alignment - 1)) !== 0;
    if (extent.kind !== DATA || extent.length < length || unaligned) {
      this.#parts.tasks.start(request, this.#read(request, 0));
      return;
    }
    const data = slotOffset(requests.slot[request]!) + SLOT_DATA;
    const { file } = extent;
    const linked = engine.links(file, length);
    const address = memory.address + data;
    requests.state[request] = PLAIN;
    const result = engine.read(request, file, address, length, extent.offset, linked);
    if (linked) replies.payload(request, data, length, true);
    else if (result !== PENDING) this.completed(request, result);
  }

  /** The transfer of `start` ended: complete (PLAIN), short, or with an error. */
  completed(request: number, result: number): void {
    const { requests, replies, tasks } = this.#parts;
    if (result < 0) replies.result(request, result, false);
    else if (result < requests.length[request]!) tasks.start(request, this.#read(request, result));
    else this.reply(request, result);
  }

  /** Sends `length` bytes that a task or a plain transfer has read. */
  reply(request: number, length: number): void {
    this.#parts.replies.payload(request, this.#dataOffset(request), length, false);
  }

  /**
   * Where the bytes asked for begin: as far into the slot's data as the request's offset is into its
   * block, so that reading whole blocks around them lands aligned.
   */
  #dataOffset(request: number): number {
    const { requests, disks } = this.#parts;
    const mask = disks[requests.disk[request]!]!.config.alignment - 1;
    const slot = slotOffset(requests.slot[request]!);
    return slot + SLOT_DATA + (requests.offset[request]! & mask);
  }

  /**
   * Extent by extent, from byte `done` of the request. A host file that ends before its extent does
   * reads as zeros from there.
   */
  *#read(request: number, done: number): Task {
    const { requests, disks, engine, extent, memory } = this.#parts;
    const { image, config, chain } = disks[requests.disk[request]!]!;
    const mask = config.alignment - 1;
    const length = requests.length[request]!;
    const data = this.#dataOffset(request);
    for (let at = done; at < length; ) {
      image.map(requests.offset[request]! + at, length - at, extent);
      const wanted = extent.length;
      let got = 0;
      if (extent.kind === BROKEN) return -ERRNO.EIO;
      if (extent.kind === METADATA) {
        const error = yield* chain!.loadMetadata(request, extent);
        if (error < 0) return error;
        continue;
      }
      if (extent.kind === COMPRESSED) {
        const cluster = chain!.findInflated(extent);
        if (cluster === undefined) {
          const error = yield* chain!.inflate(request, extent);
          if (error < 0) return error;
          continue;
        }
        memory.bytes.set(cluster.subarray(extent.skip, extent.skip + wanted), data + at);
        got = wanted;
      }
      if (extent.kind === DATA) {
        const before = extent.offset & mask;
        const block = extent.offset - before;
        const bytes = (before + wanted + mask) & ~mask;
        const address = memory.address + data + at - before;
        const result = yield engine.read(request, extent.file, address, bytes, block, false);
        if (result < 0) return result;
        got = Math.min(wanted, Math.max(0, result - before));
      }
      if (got === 0) {
        memory.bytes.fill(0, data + at, data + at + wanted);
        got = wanted;
      }
      at += got;
    }
    return length;
  }
}
