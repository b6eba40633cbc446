import { REQUESTS } from '../buffers/memory.js';
import type { Driver } from '../image/driver.js';
import { FifoLists } from '../util/fifo-lists.js';
import { NONE } from './requests.js';

/**
 * Keeps a read-modify-write of whole blocks apart from every other write to them, so that two writes
 * to neighbouring bytes of one block both survive. One object for each image: disks that show parts of
 * one share it.
 *
 * Writes in place take shared locks; a read-modify-write takes an exclusive one. First come, first
 * served among locks that overlap. While no read-modify-write is about, a shared lock is two list operations.
 */
export class RangeLocks {
  readonly #table: LockTable;
  /** Its number among the lists of the table. */
  readonly #list: number;
  #exclusive = 0;
  #waiting = 0;

  constructor(table: LockTable) {
    this.#table = table;
    this.#list = table.addList();
  }

  /** Nobody has or wants a lock any more: its list is free for another image. */
  release(): void {
    this.#table.removeList(this.#list);
  }

  /**
   * Locks bytes `start` to `end`.
   * @returns True if granted; otherwise a later `end` of another request grants it.
   */
  begin(request: number, start: number, end: number, exclusive: boolean): boolean {
    const table = this.#table;
    table.start[request] = start;
    table.end[request] = end;
    table.exclusive[request] = exclusive ? 1 : 0;
    const free = (!exclusive && this.#exclusive === 0) || !this.#conflicts(request, NONE);
    table.waiting[request] = free ? 0 : 1;
    if (!free) this.#waiting++;
    if (exclusive) this.#exclusive++;
    table.lists.push(this.#list, request);
    return free;
  }

  /** Gives a lock up. `granted` is called for each request that may go now, oldest first. */
  end(request: number, granted: (request: number) => void): void {
    const table = this.#table;
    table.lists.remove(this.#list, request);
    if (table.exclusive[request] === 1) this.#exclusive--;
    // `granted` may end locks itself, so the list is looked at afresh each time.
    for (let next = this.#grantable(); next !== NONE; next = this.#grantable()) {
      table.waiting[next] = 0;
      this.#waiting--;
      granted(next);
    }
  }

  /** The oldest request that waits for nobody any more, or NONE. */
  #grantable(): number {
    if (this.#waiting === 0) return NONE;
    const { waiting, lists } = this.#table;
    let at = lists.head[this.#list];
    while (at !== NONE && (waiting[at] === 0 || this.#conflicts(at, at))) at = lists.next[at];
    return at;
  }

  /** Does any request in the list before `until` stand in the way? */
  #conflicts(request: number, until: number): boolean {
    const table = this.#table;
    const start = table.start[request]!;
    const end = table.end[request]!;
    const exclusive = table.exclusive[request] === 1;
    const { head, next } = table.lists;
    for (let at = head[this.#list]; at !== until && at !== NONE; at = next[at]) {
      if (!exclusive && table.exclusive[at] === 0) continue;
      if (table.start[at]! < end && start < table.end[at]!) return true;
    }
    return false;
  }
}

/** The locks' fields by request, shared by all disks: a request locks one range at most. */
export class LockTable {
  readonly start: Float64Array;
  readonly end: Float64Array;
  readonly exclusive: Uint8Array;
  readonly waiting: Uint8Array;
  /** The requests that have a lock or wait for one, oldest first: a list for each image. */
  readonly lists: FifoLists;
  #count = 0;
  readonly #unused: number[] = [];

  constructor(requests = REQUESTS) {
    this.start = new Float64Array(requests);
    this.end = new Float64Array(requests);
    this.exclusive = new Uint8Array(requests);
    this.waiting = new Uint8Array(requests);
    this.lists = new FifoLists(requests, 0);
  }

  /** Returns the number of an empty list. */
  addList(): number {
    const unused = this.#unused.pop();
    if (unused !== undefined) return unused;
    this.lists.grow(0, this.#count + 1);
    return this.#count++;
  }

  /** The list must be empty. */
  removeList(list: number): void {
    this.#unused.push(list);
  }
}

/**
 * The lock of a request on bytes `start` to `end` of an image. A write in place shares its own bytes.
 * Everything else changes whole units (`Driver.lockUnit`) and has them for itself; if it reaches past
 * the end of the image, it may change the size, and has everything from the end on.
 *
 * @returns See `RangeLocks.begin`.
 */
export function lockRange(
  { driver, locks }: { driver: Driver; locks: RangeLocks },
  request: number,
  start: number,
  end: number,
  exclusive: boolean,
): boolean {
  if (!exclusive) return locks.begin(request, start, end, false);
  const { lockUnit, size } = driver;
  const first = Math.floor(Math.min(start, size) / lockUnit) * lockUnit;
  const last = Math.ceil(end / lockUnit) * lockUnit;
  return locks.begin(request, first, last > size ? Number.POSITIVE_INFINITY : last, true);
}
