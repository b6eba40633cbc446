/**
 * The memory that a thread which makes transfers shares with the thread that asks for them: a ring of
 * entries and a few counters. The one fills entries and advances `GIVEN`; the other makes them in that order,
 * writes each result into its entry and advances `DONE`. Nothing is locked.
 */

/** Entries; a power of two. Transfers in flight are fewer: those that find no room go elsewhere. */
export const ENTRIES = 1024;

// Counters, each in a cache line of its own: 32-bit numbers that wrap.
/** Entries that were ever filled. */
export const GIVEN = 0;
/** Entries that were ever made. */
export const DONE = 16;
/** 1 while the making thread sleeps, or is about to. */
export const ASLEEP = 32;
/** 1 while the asking thread wants to hear of each result, and not only of those it has to act on. */
export const WANTED = 48;
/** 1 from when the asking thread was told of results until it looks. */
export const TOLD = 64;
/** Entries whose results the asking thread has seen. */
export const SETTLED = 80;
const COUNTERS = 96;

// Fields of an entry, 64-bit floats: addresses and offsets are below 2^53.
export const IS_WRITE = 0;
export const DESCRIPTOR = 1;
export const ADDRESS = 2;
export const LENGTH = 3;
export const OFFSET = 4;
/** A uv_sem_t that is posted as soon as the transfer was complete, 0 for none. */
export const SEMAPHORE = 5;
export const REQUEST = 6;
export const RESULT = 7;
const FIELDS = 8;

/** Both threads' view of the ring. */
export class TransferQueue {
  readonly counters: Int32Array;
  readonly fields: Float64Array;
  readonly shared: SharedArrayBuffer;

  /** @param shared Of another view of the same ring. */
  constructor(shared = new SharedArrayBuffer(COUNTERS * 4 + ENTRIES * FIELDS * 8)) {
    this.shared = shared;
    this.counters = new Int32Array(shared, 0, COUNTERS);
    this.fields = new Float64Array(shared, COUNTERS * 4);
  }

  /** Index in `fields` of the entry with a number. */
  entry(number: number): number {
    return (number & (ENTRIES - 1)) * FIELDS;
  }
}
