import { MADV_DONTNEED } from '../sys/constants.js';
import { madvise, mapAnonymous } from '../sys/memory.js';

/**
 * The memory of the data plane: one mapping with one set of views. A page becomes resident when it is
 * first used.
 *
 *     replies   REQUESTS x 192 bytes    every reply except the data of a READ
 *     slots     SLOTS x 1.02 MiB        a request as received, then its data while in flight
 *     pool      1 GiB                   payload of WRITEs that wait in a group (payload-pool.ts)
 */

/** Largest READ and WRITE request, bytes: the kernel's own limit without fs.fuse.max_pages_limit. */
export const MAX_IO_BYTES = 1 << 20;

/** The most requests that wait in groups or are in flight. */
export const REQUESTS = 65536;
/**
 * The most requests in flight below the groups. With little memory it is IN_FLIGHT_MIN, which fills a
 * disk: 4 x 256 reads of 4 KiB at a time got 92 to 103 K from a virtio disk with 256, 97 to 105 K with 960.
 * NVMe and storage behind a network take more.
 */
export const IN_FLIGHT_MAX = 960;
export const IN_FLIGHT_MIN = 256;
/** Slots for receiving while IN_FLIGHT_MAX slots are busy. */
export const RECEIVE_SLOTS = 32;
/** Of them, one for requests that go outside of the window. */
const OUTSIDE_SLOTS = 1;
const SLOTS = IN_FLIGHT_MAX + RECEIVE_SLOTS;
/**
 * When the pool is full, waiting WRITEs keep their slots, and in the end nothing more is received, not even
 * requests of other groups or for control files. At 1 GiB that takes 1024 waiting writes of 1 MiB, or
 * 16384 of 64 KiB; their callers hold as much memory. Offsets in the memory stay below 2^31, which bounds
 * IN_FLIGHT_MAX too.
 */
export const POOL_BYTES = 1024 << 20;

/** The largest fixed-size reply: header (16) and struct fuse_entry_out (128), in whole cache lines. */
export const REPLY_BYTES = 192;

const PAGE = 4096;
/** Offset of data in a slot. A WRITE is received so that its payload begins here, page-aligned. */
export const SLOT_DATA = PAGE;
/** Headers of a WRITE: struct fuse_in_header (40) and fuse_write_in (40). */
export const SLOT_REQUEST = SLOT_DATA - 80;
/** Where a transport puts data of its own, behind everything that a request without data can contain. */
export const SLOT_ANSWER = SLOT_DATA + 2 * PAGE;
/** Offset of the blocks at the two edges of an unaligned write. */
export const SLOT_EDGES = SLOT_DATA + MAX_IO_BYTES + 2 * PAGE;
export const SLOT_BYTES = SLOT_EDGES + 2 * PAGE;
/** Room for one request; the kernel wants at least 80 bytes and the largest WRITE. */
export const RECEIVE_BYTES = SLOT_BYTES - SLOT_REQUEST;

const SLOTS_AT = REQUESTS * REPLY_BYTES;
const POOL_AT = SLOTS_AT + SLOTS * SLOT_BYTES;
/** As many as fit into the place of the pool. */
const WAITING_SLOTS = Math.floor(POOL_BYTES / SLOT_BYTES);
export const MEMORY_BYTES = POOL_AT + POOL_BYTES;

/**
 * How many of each thing a data plane has. The simulator has fewer: its tables are made for each run, and
 * it has to come to their ends.
 */
export interface Capacity {
  /** Requests under way, 1 to REQUESTS. */
  requests: number;
  /** Requests in flight below the groups, 1 to IN_FLIGHT_MAX. */
  inFlight: number;
  /**
   * Slots besides one for each request in flight, 2 to RECEIVE_SLOTS. One of them receives nothing: see
   * `Memory.receivable`.
   */
  receives: number;
  /** Memory for payload of WRITEs that wait, whole MiB up to POOL_BYTES. */
  poolBytes: number;
  /** Slots for requests that wait, in place of the pool: up to WAITING_SLOTS; missing: none. */
  waiting?: number;
}

/** What a mount has at least. */
export const CAPACITY: Readonly<Capacity> = {
  requests: REQUESTS,
  inFlight: IN_FLIGHT_MIN,
  receives: RECEIVE_SLOTS,
  poolBytes: POOL_BYTES,
};

/** What a mount has on a machine with so much memory, bytes: at most a sixteenth of it is in flight. */
export function capacityFor(memoryBytes: number): Capacity {
  const affordable = Math.floor(memoryBytes / 16 / SLOT_BYTES);
  const inFlight = Math.max(IN_FLIGHT_MIN, Math.min(affordable, IN_FLIGHT_MAX));
  return { ...CAPACITY, inFlight };
}

/** The same for FUSE over io_uring, where a request keeps its slot while it waits. */
export function lendingCapacity(memoryBytes: number): Capacity {
  return { ...capacityFor(memoryBytes), poolBytes: 0, waiting: WAITING_SLOTS };
}

/** When the plane is idle, a free slot keeps this much memory and returns the rest to the system. */
const KEEP_BYTES = 64 << 10;
const MADV_DONTFORK = 10;
/** Linux 5.14. */
const MADV_POPULATE_WRITE = 23;

export class Memory {
  readonly address: number;
  readonly buffer: ArrayBuffer;
  readonly bytes: Uint8Array;
  readonly words: Uint32Array;
  readonly view: DataView;

  readonly capacity: Readonly<Capacity>;
  /**
   * All pages of a slot are resident once it is taken. For a mount that outlives its daemon: while that is being killed the
   * kernel gets it no more pages, and a request that it cannot copy into a slot fails with EIO. For /dev/fuse only: a slot
   * that is lent loses pages when it is trimmed.
   */
  populates = false;
  /** 1 for each slot whose pages are all resident, where `populates` is true. */
  readonly #populated: Uint8Array;
  readonly #free: Int32Array;
  #freeCount: number;
  /** 1 for each slot that is lent. */
  readonly #lent: Uint8Array;
  #lentCount = 0;

  /** @param mapping Memory of `MEMORY_BYTES` bytes that nothing else uses. */
  constructor(capacity = CAPACITY, mapping = mapAnonymous(MEMORY_BYTES)) {
    const { address, buffer } = mapping;
    this.address = address;
    // A process that is started has no use for it, and pages of which it has a copy are not ours to be written until they
    // are copied, which the kernel does not do for a process that is being killed: see `populates`.
    madvise(address, buffer.byteLength, MADV_DONTFORK);
    this.buffer = buffer;
    this.bytes = new Uint8Array(buffer);
    this.words = new Uint32Array(buffer);
    this.view = new DataView(buffer);
    this.capacity = capacity;
    const { inFlight, receives, waiting = 0 } = capacity;
    const slots = inFlight + receives + waiting;
    this.#free = Int32Array.from({ length: slots }, (_, i) => slots - 1 - i);
    this.#freeCount = slots;
    this.#populated = new Uint8Array(slots);
    this.#lent = new Uint8Array(slots);
  }

  /** All slots. */
  get slots(): number {
    return this.#free.length;
  }

  get freeSlots(): number {
    return this.#freeCount;
  }

  /** The slot that was released last, so that the working set is small; -1 if none is free. */
  takeSlot(): number {
    if (this.#freeCount === 0) return -1;
    const slot = this.#free[--this.#freeCount]!;
    if (this.populates && this.#populated[slot] === 0) this.#populate(slot);
    return slot;
  }

  /** Where the system has no memory for it the slot serves all the same. */
  #populate(slot: number): void {
    madvise(this.address + slotOffset(slot), SLOT_BYTES, MADV_POPULATE_WRITE);
    this.#populated[slot] = 1;
  }

  releaseSlot(slot: number): void {
    this.#free[this.#freeCount++] = slot;
  }

  /**
   * Free slots, but for those that requests in flight may still need.
   * @param holding Requests in flight that hold a slot which was not lent.
   */
  spareSlots(holding: number): number {
    return this.#freeCount - Math.max(0, this.capacity.inFlight - this.#lentCount - holding);
  }

  /**
   * Slots that can be used to receive. One more is left to requests that go outside of the window: they must get on
   * where every other spare slot waits for a request that does not come.
   */
  receivable(holding: number): number {
    return Math.min(this.spareSlots(holding), this.capacity.receives) - OUTSIDE_SLOTS;
  }

  /** Slots that are lent. */
  get lentSlots(): number {
    return this.#lentCount;
  }

  /** A free slot, of which there must be one, for a transport that lends it to its requests. */
  lendSlot(): number {
    const slot = this.takeSlot();
    this.#lent[slot] = 1;
    this.#lentCount++;
    return slot;
  }

  takeBack(slot: number): void {
    this.#lent[slot] = 0;
    this.#lentCount--;
    this.releaseSlot(slot);
  }

  /**
   * Returns the pages of slots that are free or lent to the system, except the first KEEP_BYTES of each. No
   * request may be under way.
   */
  trim(): void {
    for (let i = 0; i < this.#freeCount; i++) this.#trim(this.#free[i]!);
    for (let slot = 0; slot < this.slots; slot++) if (this.#lent[slot] === 1) this.#trim(slot);
  }

  #trim(slot: number): void {
    const at = slotOffset(slot) + KEEP_BYTES;
    madvise(this.address + at, SLOT_BYTES - KEEP_BYTES, MADV_DONTNEED);
    this.#populated[slot] = 0;
  }

  trimPool(): void {
    madvise(this.address + POOL_AT, POOL_BYTES, MADV_DONTNEED);
  }
}

export function slotOffset(slot: number): number {
  return SLOTS_AT + slot * SLOT_BYTES;
}

export function replyOffset(request: number): number {
  return request * REPLY_BYTES;
}

/** Two of struct timespec. */
export const TIMES_BYTES = 32;

/** Offset of the times that a request is to set: behind any reply in its own area. */
export function timesOffset(request: number): number {
  return replyOffset(request) + REPLY_BYTES - TIMES_BYTES;
}

export function poolOffset(): number {
  return POOL_AT;
}
