/** A change that was asked of a host file. Times are ticks of the record's clock. */
export interface Change {
  file: number;
  kind: 'write' | 'zero' | 'size' | 'longer';
  /** Bytes; of `size` the new size. `longer` makes room for a range without a change to bytes. */
  offset: number;
  length: number;
  /** What is written; null for zeros and sizes. */
  bytes: Buffer | null;
  issued: number;
  /** Infinity while it is not done. */
  done: number;
  /** The host refused: any part of it may be there. */
  failed: boolean;
}

/** A flush: what was done before it was issued is on the disk when it is done. */
export interface Barrier {
  file: number;
  issued: number;
  done: number;
}

/** Everything that was asked of host files, in order. */
export class HostRecord {
  readonly changes: Change[] = [];
  readonly barriers: Barrier[] = [];
  #now = 0;

  get now(): number {
    return this.#now;
  }

  /** A moment of its own. */
  tick(): number {
    return ++this.#now;
  }
}
