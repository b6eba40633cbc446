import { SLOT_DATA, slotOffset } from '../buffers/memory.js';
import { PENDING, type Task } from '../host/engine.js';
import { ERRNO } from '../util/errno.js';
import { type Disk, noteChange, noteChanged } from './disk.js';
import type { Parts } from './parts.js';
import { lockRange } from './range-locks.js';
import { LOCKED, NONE, PLAIN } from './requests.js';

/**
 * WRITE to a disk. A range that can be written in place, the common case, is a transfer from where the
 * payload was received with the reply linked behind it; anything else is a task of the image's driver
 * under a lock.
 */
export class Writes {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** The request is admitted; its payload is in its slot or in the pool. */
  start(request: number): void {
    const { requests, disks } = this.#parts;
    const disk = disks[requests.disk[request]!]!;
    const { image } = disk;
    noteChange(disk);
    const inPlace = this.#map(request, disk);
    const { lockUnit } = image.driver;
    if (lockUnit > 1) {
      const start = disk.config.start + requests.offset[request]!;
      if (!lockRange(image, request, start, start + requests.length[request]!, !inPlace)) {
        requests.state[request] = LOCKED;
        return;
      }
    }
    this.#go(request, disk, inPlace);
  }

  /** The lock that the request has waited for is its own. The image may have changed meanwhile. */
  granted(request: number): void {
    const disk = this.#parts.disks[this.#parts.requests.disk[request]!]!;
    this.#go(request, disk, this.#map(request, disk));
  }

  /** The transfer ended: complete (PLAIN), short, or with an error. */
  completed(request: number, result: number): void {
    const { requests, tasks } = this.#parts;
    const short = result > 0 && result < requests.length[request]!;
    const errno = result === 0 ? -ERRNO.EIO : result;
    if (short) tasks.start(request, this.#writeRest(request, result));
    else if (errno < 0) tasks.start(request, this.#fail(request, errno));
    else this.ended(request, errno);
  }

  /** `written` bytes are on the host, or it is an errno: answers, after size and locks followed. */
  ended(request: number, written: number): void {
    this.settle(request, written);
    this.#parts.replies.send(request, written, 0, false);
  }

  /** A write has come to `written` bytes or -errno: the disk's size and locks follow. */
  settle(request: number, written: number): void {
    const { requests, disks, granted } = this.#parts;
    const { image, config } = disks[requests.disk[request]!]!;
    const { driver, locks } = image;
    const start = config.start + requests.offset[request]!;
    if (written > 0) driver.written(start + written);
    noteChanged(image);
    image.partitions?.watch.wrote(start, start + requests.length[request]!);
    if (driver.lockUnit > 1) locks.end(request, granted);
  }

  #map(request: number, { image, config }: Disk): boolean {
    const { requests, extent } = this.#parts;
    const offset = config.start + requests.offset[request]!;
    return image.driver.mapWrite(offset, requests.length[request]!, extent);
  }

  /** @param inPlace The answer of `#map`, which has just been asked. */
  #go(request: number, { image, config }: Disk, inPlace: boolean): void {
    const { requests, engine, extent, memory, replies, tasks } = this.#parts;
    const length = requests.length[request]!;
    const payload = this.#payloadOffset(request);
    if (!inPlace) {
      const offset = config.start + requests.offset[request]!;
      tasks.start(request, image.driver.write(request, offset, length, payload));
      return;
    }
    const { file } = extent;
    // A linked reply may be there before its transfer is known to have ended, and the size must be new by then.
    const grows = config.start + requests.offset[request]! + length > image.driver.size;
    // Where the slot is lent the reply takes the place of the payload, which must be written first.
    const linked = !grows && requests.lent[request] === 0 && engine.links(file, length);
    const address = memory.address + payload;
    requests.state[request] = PLAIN;
    const result = engine.write(request, file, address, length, extent.offset, linked);
    if (linked) replies.send(request, length, 0, true);
    else if (result !== PENDING) this.completed(request, result);
  }

  #payloadOffset(request: number): number {
    const { pooled, slot } = this.#parts.requests;
    return pooled[request] === NONE ? slotOffset(slot[request]!) + SLOT_DATA : pooled[request]!;
  }

  /** A write has failed, perhaps after a part of it. @param errno Its result. */
  *#fail(request: number, errno: number): Task {
    const { requests, disks } = this.#parts;
    const { image, config } = disks[requests.disk[request]!]!;
    const end = config.start + requests.offset[request]! + requests.length[request]!;
    if (image.driver.writeFailed !== undefined) yield* image.driver.writeFailed(request, end);
    return errno;
  }

  /** Goes on after a short write from byte `done`; ends with the bytes written, or the errno. */
  *#writeRest(request: number, done: number): Task {
    const { requests, disks, engine, memory } = this.#parts;
    const { image, config } = disks[requests.disk[request]!]!;
    // Its own: other requests map while this one waits.
    const extent = { ...this.#parts.extent };
    const start = config.start + requests.offset[request]!;
    const length = requests.length[request]!;
    const from = memory.address + this.#payloadOffset(request);
    const isCached = requests.mode[request] === 1;
    if (!image.driver.mapWrite(start, length, extent)) return isCached ? -ERRNO.EIO : done;
    const { file, offset } = extent;
    let at = done;
    while (at < length) {
      const result = yield engine.write(request, file, from + at, length - at, offset + at, false);
      if (result <= 0) {
        // Part of it is on the disk: say so. A mapped page has nobody to write the rest.
        if (!isCached) return at;
        return yield* this.#fail(request, result || -ERRNO.EIO);
      }
      at += result;
    }
    return length;
  }
}
