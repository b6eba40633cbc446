import { PENDING, type Task } from '../host/engine.js';
import { FALLOC_KEEP_SIZE, FALLOC_PUNCH_HOLE } from '../sys/constants.js';
import { ERRNO } from '../util/errno.js';
import type { DriverIo, LayerWriter } from './driver.js';
import { DATA, type Extent, newExtent } from './extent.js';
import type { Layers } from './layers.js';
import { UnalignedWrites } from './unaligned-writes.js';
import { Waiters } from './waiters.js';

/** Errnos of a host that cannot make a hole there. */
const NO_HOLES: ReadonlySet<number> = new Set([-ERRNO.EOPNOTSUPP, -ERRNO.EINVAL]);

const BEGINNING = 0;

/**
 * Writes to an image whose layout never changes: all of the disk is DATA of the top layer, with places in host
 * files that are multiples of the alignment. So each write goes where the disk is read.
 */
export class InPlaceWriter implements LayerWriter {
  readonly lockUnit: number;
  readonly #layers: Layers;
  readonly #io: DriverIo;
  readonly #blocks: UnalignedWrites;
  readonly #waiters: Waiters;
  /** What has to be done before the first write; null when it is done. */
  #before: ((request: number) => Task) | null;
  #isBeginning = false;
  /** Files that were written. They stay here: a write may be under way whenever they are synced. */
  readonly #written = new Set<number>();
  #loss = 0;

  /** @param before Run before the first write, which waits for it. 0 or -errno: the next write runs it again. */
  constructor(layers: Layers, io: DriverIo, before: ((request: number) => Task) | null = null) {
    const { alignment, top } = layers;
    this.#layers = layers;
    this.#io = io;
    this.#before = before;
    this.#waiters = new Waiters(io.resume);
    this.lockUnit = alignment;
    this.#blocks = new UnalignedWrites(io, alignment, (offset, length, extent) => {
      top.map(offset, length, extent);
      this.#written.add(extent.file);
    });
  }

  mapWrite(offset: number, length: number, extent: Extent): boolean {
    if (this.#before !== null) return false;
    this.#layers.top.map(offset, length, extent);
    if (extent.kind !== DATA || extent.length < length) return false;
    this.#written.add(extent.file);
    return true;
  }

  *write(request: number, offset: number, length: number, source: number): Task {
    const begun = yield* this.#begin(request);
    if (begun < 0) return begun;
    return yield* this.#blocks.write(request, offset, length, source, this.#layers.top.size);
  }

  *zero(request: number, offset: number, length: number): Task {
    const begun = yield* this.#begin(request);
    if (begun < 0) return begun;
    const { top } = this.#layers;
    const extent = newExtent();
    const mode = FALLOC_PUNCH_HOLE | FALLOC_KEEP_SIZE;
    for (let done = 0; done < length; done += extent.length) {
      top.map(offset + done, length - done, extent);
      const { file, offset: host, length: bytes } = extent;
      this.#written.add(file);
      let result = yield this.#io.engine.allocate(request, file, mode, host, bytes);
      if (NO_HOLES.has(result)) {
        result = yield* this.#blocks.writeZeros(request, offset + done, bytes, top.size);
      }
      if (result < 0) return result;
    }
    return 0;
  }

  // biome-ignore lint/correctness/useYield: it never grows.
  *grow(): Task {
    return -ERRNO.EPERM;
  }

  *flush(request: number): Task {
    let failed = 0;
    for (const file of this.#written) {
      const result = yield this.#io.engine.flush(request, file, true);
      if (result < 0) failed = result;
    }
    if (failed < 0) this.#loss = -failed;
    return failed;
  }

  takeLoss(): number {
    const loss = this.#loss;
    this.#loss = 0;
    return loss;
  }

  close(request: number): Task {
    return this.flush(request);
  }

  /** 0 when the first write may go, or -errno. */
  *#begin(request: number): Task {
    while (this.#before !== null) {
      if (this.#isBeginning) {
        this.#waiters.add(BEGINNING, request);
        yield PENDING;
        continue;
      }
      this.#isBeginning = true;
      const result = yield* this.#before(request);
      this.#isBeginning = false;
      if (result === 0) this.#before = null;
      this.#waiters.wake(BEGINNING);
      if (result < 0) return result;
    }
    return 0;
  }
}
