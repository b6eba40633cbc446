import { SLOT_DATA, slotOffset } from '../buffers/memory.js';
import { PENDING } from '../host/engine.js';
import { DATA, ZERO } from '../image/extent.js';
import type { Parts } from './parts.js';
import { PLAIN } from './requests.js';

/**
 * READ of a disk. One aligned extent, the common case, is a transfer into the request's slot with
 * the reply linked behind it, or a reply from the pages of a file in memory; everything else is a task of the image's driver.
 */
export class Reads {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** The request is admitted and holds a slot. */
  start(request: number): void {
    const { requests, disks, engine, extent, memory, replies } = this.#parts;
    const { image, config } = disks[requests.disk[request]!]!;
    const { driver } = image;
    const length = requests.length[request]!;
    driver.map(config.start + requests.offset[request]!, length, extent);
    if (extent.kind === ZERO && extent.length >= length) {
      const at = this.#dataOffset(request);
      memory.bytes.fill(0, at, at + length);
      this.reply(request, length);
      return;
    }
    const unaligned = ((extent.offset | length) & (driver.alignment - 1)) !== 0;
    if (extent.kind !== DATA || extent.length < length || unaligned) {
      this.#startTask(request, 0);
      return;
    }
    const data = slotOffset(requests.slot[request]!) + SLOT_DATA;
    const { file } = extent;
    // An entry of a queue has its data in its own slot.
    const source =
      requests.lent[request] === 1 ? 0 : (engine.addressOf?.(file, extent.offset, length) ?? 0);
    if (source !== 0) {
      replies.send(request, length, data, false, source);
      return;
    }
    const linked = engine.links(file, length);
    const address = memory.address + data;
    requests.state[request] = PLAIN;
    const result = engine.read(request, file, address, length, extent.offset, linked);
    if (linked) replies.send(request, length, data, true);
    else if (result !== PENDING) this.completed(request, result);
  }

  /** The transfer of `start` ended: complete (PLAIN), short, or with an error. */
  completed(request: number, result: number): void {
    const { requests, replies } = this.#parts;
    if (result < 0) replies.send(request, result, 0, false);
    else if (result < requests.length[request]!) this.#startTask(request, result);
    else this.reply(request, result);
  }

  /** Sends `length` bytes that a task or a plain transfer has read. */
  reply(request: number, length: number): void {
    this.#parts.replies.send(request, length, this.#dataOffset(request), false);
  }

  /** @param done Bytes of the request that are in its slot. */
  #startTask(request: number, done: number): void {
    const { requests, disks, tasks } = this.#parts;
    const { image, config } = disks[requests.disk[request]!]!;
    const offset = config.start + requests.offset[request]!;
    const length = requests.length[request]!;
    const at = this.#dataOffset(request);
    tasks.start(request, image.driver.read(request, offset, length, at, done));
  }

  /**
   * Place of the bytes asked for: as far into the slot's data as the request's offset is into its
   * block, so that whole blocks around them land aligned.
   */
  #dataOffset(request: number): number {
    const { requests, disks } = this.#parts;
    const { image, config } = disks[requests.disk[request]!]!;
    const inBlock = (config.start + requests.offset[request]!) & (image.driver.alignment - 1);
    return slotOffset(requests.slot[request]!) + SLOT_DATA + inBlock;
  }
}
