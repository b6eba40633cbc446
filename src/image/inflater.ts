import { LRUCache } from 'lru-cache';
import { type Engine, PENDING, type Task } from '../host/engine.js';
import { readAll } from '../host/transfer-all.js';
import { ERRNO } from '../util/errno.js';
import { Buffers } from './buffers.js';
import type { Extent } from './extent.js';
import type { InflateCalls, Inflation } from './inflate-calls.js';
import type { Mappings } from './mappings.js';
import { type Resume, Waiters } from './waiters.js';

/** Bytes of inflated clusters to keep: a sequential read with readahead uses as many at a time. */
const CACHE_BYTES = 8 << 20;
/** The sector count of an entry goes up to twice the largest cluster; and a block on either side. */
const BUFFER_BYTES = (4 << 20) + 2 * 4096;

/**
 * Compressed clusters of one image: reads them, has them inflated off this thread (64 KiB take 0.1 to
 * 0.4 ms, 2 MiB take 6 to 8 ms), and keeps the last ones, so that a sequential read inflates each
 * once.
 */
export class Inflater {
  readonly #engine: Engine;
  readonly #waiters: Waiters;
  readonly #calls: InflateCalls;
  readonly #alignment: number;
  readonly #cache = new LRUCache<string, Uint8Array>({
    maxSize: CACHE_BYTES,
    sizeCalculation: ({ length }) => length,
  });
  readonly #loading = new Set<string>();
  readonly #buffers: Buffers;

  /**
   * @param alignment Of reads, bytes; a power of two.
   * @param mappings The image's.
   */
  constructor(
    engine: Engine,
    resume: Resume,
    calls: InflateCalls,
    alignment: number,
    mappings: Mappings,
  ) {
    this.#engine = engine;
    this.#waiters = new Waiters(resume);
    this.#buffers = new Buffers(BUFFER_BYTES, resume, mappings);
    this.#calls = calls;
    this.#alignment = alignment;
  }

  /** The inflated cluster of a COMPRESSED extent, if it is still there. Borrowed: do not change it. */
  find(extent: Extent): Uint8Array | undefined {
    return this.#cache.get(keyOf(extent));
  }

  /** Brings a COMPRESSED extent's cluster to where `find` finds it. Returns 0 or -errno. */
  *load(request: number, extent: Extent, inflation: Inflation): Task {
    const key = keyOf(extent);
    if (this.#loading.has(key)) {
      this.#waiters.add(key, request);
      yield PENDING;
      return 0;
    }
    this.#loading.add(key);
    const result = yield* this.#readAndInflate(request, key, extent, inflation);
    this.#loading.delete(key);
    this.#waiters.wake(key);
    return result;
  }

  *#readAndInflate(
    request: number,
    key: string,
    { file, offset, bytes }: Extent,
    inflation: Inflation,
  ): Task {
    const mask = this.#alignment - 1;
    const before = offset % this.#alignment;
    const length = (before + bytes + mask) & ~mask;
    const buffer = yield* this.#buffers.take(request);
    const { address } = buffer;
    const got = yield* readAll(this.#engine, request, file, address, length, offset - before);
    const end = Math.min(got, before + bytes);
    const copy = end > before ? new Uint8Array(buffer.buffer).slice(before, end) : null;
    this.#buffers.release(buffer);
    if (got < 0) return got;
    if (copy === null) return -ERRNO.EIO;
    const cluster = yield* this.#calls.inflate(request, inflation, copy);
    if (cluster === null) return -ERRNO.EIO;
    this.#cache.set(key, cluster);
    return 0;
  }
}

function keyOf(extent: Extent): string {
  return `${extent.file}:${extent.offset}`;
}
