import { LRUCache } from 'lru-cache';
import { type Engine, PENDING, type Task } from '../host/engine.js';
import { type Mapping, mapAnonymous } from '../sys/memory.js';
import { ERRNO } from '../util/errno.js';
import type { Extent } from './extent.js';
import type { InflateCalls, Inflation } from './inflate-calls.js';
import { type Resume, Waiters } from './waiters.js';

/** Bytes of inflated clusters to keep: a sequential read with readahead uses as many at a time. */
const CACHE_BYTES = 8 << 20;
/** Clusters that are being read at once: more would not be inflated at once anyway. */
const BUFFERS = 8;
/** The sector count of an entry goes up to twice the largest cluster; and a block on either side. */
const BUFFER_BYTES = (4 << 20) + 2 * 4096;

const ANY_BUFFER = -1;

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
  readonly #buffers: Mapping[] = [];
  #buffersMade = 0;

  /** @param alignment Of reads, bytes; a power of two. */
  constructor(engine: Engine, resume: Resume, calls: InflateCalls, alignment: number) {
    this.#engine = engine;
    this.#waiters = new Waiters(resume);
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
    const { file, offset, bytes } = extent;
    const buffer = this.#loading.has(key) ? undefined : this.#takeBuffer();
    if (buffer === undefined) {
      this.#waiters.add(this.#loading.has(key) ? key : ANY_BUFFER, request);
      yield PENDING;
      return 0;
    }
    this.#loading.add(key);
    const compressed = { file, offset, bytes };
    const result = yield* this.#readAndInflate(request, key, buffer, compressed, inflation);
    this.#loading.delete(key);
    this.#waiters.wake(key);
    return result;
  }

  *#readAndInflate(
    request: number,
    key: string,
    buffer: Mapping,
    { file, offset, bytes }: Pick<Extent, 'file' | 'offset' | 'bytes'>,
    inflation: Inflation,
  ): Task {
    const mask = this.#alignment - 1;
    const before = offset % this.#alignment;
    const length = (before + bytes + mask) & ~mask;
    const { address } = buffer;
    const got = yield this.#engine.read(request, file, address, length, offset - before, false);
    const end = Math.min(got, before + bytes);
    const copy = end > before ? new Uint8Array(buffer.buffer).slice(before, end) : null;
    this.#buffers.push(buffer);
    this.#waiters.wake(ANY_BUFFER);
    if (got < 0) return got;
    if (copy === null) return -ERRNO.EIO;
    const cluster = yield* this.#calls.inflate(request, inflation, copy);
    if (cluster === null) return -ERRNO.EIO;
    this.#cache.set(key, cluster);
    return 0;
  }

  #takeBuffer(): Mapping | undefined {
    if (this.#buffers.length === 0 && this.#buffersMade < BUFFERS) {
      this.#buffersMade++;
      return mapAnonymous(BUFFER_BYTES);
    }
    return this.#buffers.pop();
  }
}

function keyOf(extent: Extent): string {
  return `${extent.file}:${extent.offset}`;
}
