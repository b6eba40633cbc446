import type { RedoLog } from '../redo-log.js';

/** What a record of the log says. Places are numbers of clusters of the file, unless another unit is named. */
export const CHANGE = {
  /** The refcount of cluster `index` is this: high word, low word. */
  refcount: 1,
  /** Clusters from `index` on have the refcount 1: their number. */
  run: 2,
  /** There is a new refcount block, of zeros, with the number `index`: its place, high and low. */
  block: 3,
  /** The refcount table is at cluster `index`: its number of clusters. */
  table: 4,
  /** The L2 entry of cluster `index` of the disk: its two or four words. The cluster that it names is in use already. */
  entry: 5,
  /** The same, and that cluster has the refcount 1 from now on. */
  newEntry: 12,
  /** The L2 table of L1 entry `index`: its host offset, high and low. */
  l1: 6,
  /** The L1 table has `index` entries: 1 and its new place, high and low; or 0. */
  l1Grown: 7,
  /** The disk has `index` bytes. */
  size: 8,
  /** The cluster at host offset `index` loses a reference with the next flush: 1 if it held a table. */
  released: 9,
  /** It has lost it: cancels one `released`. */
  settled: 10,
  /** What was said of releases before is said again behind this. */
  restated: 11,
} as const;

/** So many releases are told of. Clusters of others are leaks after a death. */
const RELEASES_MAX = 4096;

/** A cluster that loses a reference, as one number: offsets are even. */
function keyOf(offset: number, isTable: boolean): number {
  return offset + (isTable ? 1 : 0);
}

/**
 * Tells the redo log of an image what changes in its tables. A change counts, and is there after a death, from the next
 * `commit` on.
 *
 * A cluster that is allocated is not told: it is free again after a death, unless something refers to it by then, and
 * `linked` or `entry` has told. But a flush writes its refcount, so `restate` tells that this has to be taken back.
 */
export class ChangeLog {
  readonly #log: RedoLog;
  /** Allocated clusters to which nothing refers. */
  readonly #pending = new Set<number>();
  /** References that clusters will lose, by `keyOf`. */
  readonly #released = new Map<number, number>();
  /** Their number. */
  #releases = 0;

  constructor(log: RedoLog) {
    this.#log = log;
  }

  /** Changes should be flushed before more are made. */
  get isCrowded(): boolean {
    return this.#log.isCrowded;
  }

  /** References to data, and as many to tables, that may be taken away now: each takes two records. */
  get settleable(): number {
    return this.#log.spare >> 2;
  }

  commit(): void {
    this.#log.commit();
  }

  allocated(cluster: number): void {
    this.#pending.add(cluster);
  }

  /** From now on a table refers to new clusters in a row. */
  linked(cluster: number, count: number): void {
    for (let one = cluster; one < cluster + count; one++) this.#pending.delete(one);
    this.counted(cluster, count);
  }

  /** New clusters in a row have the refcount 1. */
  counted(cluster: number, count: number): void {
    this.#log.append(CHANGE.run, cluster, count);
  }

  refcount(cluster: number, value: number): void {
    if (value === 0) this.#pending.delete(cluster);
    this.#log.append(CHANGE.refcount, cluster, highOf(value), lowOf(value));
  }

  block(index: number, cluster: number): void {
    this.#log.append(CHANGE.block, index, highOf(cluster), lowOf(cluster));
  }

  tableMoved(cluster: number, clusters: number): void {
    this.#log.append(CHANGE.table, cluster, clusters);
  }

  /**
   * @param words With the entry from `at` on; a standard one has two words.
   * @param host The cluster that it names; -1 if that has no refcount.
   */
  entry(cluster: number, words: Uint32Array, at: number, isExtended: boolean, host: number): void {
    const kind = this.#pending.delete(host) ? CHANGE.newEntry : CHANGE.entry;
    const more = isExtended ? words[at + 2]! : 0;
    const last = isExtended ? words[at + 3]! : 0;
    this.#log.append(kind, cluster, words[at]!, words[at + 1]!, more, last);
  }

  l1(index: number, host: number): void {
    this.#log.append(CHANGE.l1, index, highOf(host), lowOf(host));
  }

  l1Grown(entries: number, host: number | null): void {
    const isMoved = host === null ? 0 : 1;
    this.#log.append(CHANGE.l1Grown, entries, isMoved, highOf(host ?? 0), lowOf(host ?? 0));
  }

  size(bytes: number): void {
    this.#log.append(CHANGE.size, bytes);
  }

  released(offset: number, isTable: boolean): void {
    if (this.#log.isCrowded || !this.adopt(offset, isTable)) return;
    this.#log.append(CHANGE.released, offset, isTable ? 1 : 0);
  }

  /** The log tells of this reference already. False: it is one too many. */
  adopt(offset: number, isTable: boolean): boolean {
    if (this.#releases >= RELEASES_MAX) return false;
    this.#releases++;
    const key = keyOf(offset, isTable);
    this.#released.set(key, (this.#released.get(key) ?? 0) + 1);
    return true;
  }

  /** A cluster that was released has lost the reference. */
  settled(offset: number, isTable: boolean): void {
    const key = keyOf(offset, isTable);
    const times = this.#released.get(key);
    if (times === undefined) return;
    this.#releases--;
    if (times === 1) this.#released.delete(key);
    else this.#released.set(key, times - 1);
    this.#log.append(CHANGE.settled, offset, isTable ? 1 : 0);
  }

  /** Refcounts are about to be written. After a death those of clusters to which nothing refers are 0 again. */
  takeBackPending(): void {
    if (!this.isCrowded) this.#takeBack();
    this.commit();
  }

  #takeBack(): void {
    for (const cluster of this.#pending) this.#log.append(CHANGE.refcount, cluster);
  }

  /**
   * Everything is about to be written as it is now. Says again what is not in the tables.
   * @returns The mark for `flushed`.
   */
  restate(): FlushMark {
    const from = this.#log.mark;
    this.#log.append(CHANGE.restated, 0);
    if (this.#log.room > 2 * RELEASES_MAX) {
      for (const [key, times] of this.#released) {
        for (let i = 0; i < times; i++) this.#log.append(CHANGE.released, key - (key & 1), key & 1);
      }
    }
    this.#takeBack();
    this.commit();
    return { from, to: this.#log.mark };
  }

  /** Everything up to the mark has been written; or not. */
  flushed({ from, to }: FlushMark, written: boolean): void {
    const isLast = this.#log.mark === to;
    // Nothing is left to be told: the log is empty then.
    if (written) this.#log.cut(isLast && to === (from + 1) >>> 0 ? to : from);
    // A flush that fails again and again must not fill the log.
    else if (isLast) this.#log.rewind(from);
  }
}

/** The records of `restate`. */
export interface FlushMark {
  from: number;
  to: number;
}

function highOf(value: number): number {
  return Math.floor(value / 2 ** 32);
}

function lowOf(value: number): number {
  return value >>> 0;
}
