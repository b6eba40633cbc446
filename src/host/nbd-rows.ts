import { FifoLists } from '../util/fifo-lists.js';

/** A sector: so much of a write is old or new after a loss of power, and never both. */
const UNTORN_BYTES = 512;

/** The value of a column that has none. */
export const NO_ROW = -1;

/**
 * The requests to NBD servers: parallel typed arrays, a row each. A request of the data plane has the row
 * of its own number; rows behind those are for the flushes and repeated writes of exports. The row is the
 * low half of the cookie that the server sends back.
 */
export class NbdRows {
  readonly capacity: number;
  /** Command and flags of the protocol. */
  readonly command: Uint8Array;
  readonly flags: Uint8Array;
  /** The whole range, in the export. It is asked for piece by piece. */
  readonly offset: Float64Array;
  readonly length: Float64Array;
  /** Where its bytes are, or go. */
  readonly address: Float64Array;
  /** Bytes of the pieces that have ended, and of the one that is under way. */
  readonly done: Float64Array;
  readonly piece: Float64Array;
  /** Bytes of this piece that have come. */
  readonly got: Float64Array;
  /** 0 or -errno. */
  readonly error: Int32Array;
  /** The high half of the cookie: another one each time that the row is sent. */
  readonly generation: Uint32Array;
  /** The list of the connection that it is under way on, or NO_ROW. */
  readonly connection: Int32Array;
  /** Its entry of the log of writes, or NO_ROW. */
  readonly entry: Int32Array;
  /** Of a flush: see `WriteLog.beginFlush`. */
  readonly epoch: Float64Array;
  /** Of block status: SEEK_DATA or SEEK_HOLE, and 1 once that is found. */
  readonly whence: Uint8Array;
  readonly found: Uint8Array;
  /** Rows that servers have. */
  underWay = 0;
  /** Rows that wait, and rows that are under way, for each export. */
  readonly lists: FifoLists;

  constructor(capacity: number) {
    this.capacity = capacity;
    this.command = new Uint8Array(capacity);
    this.flags = new Uint8Array(capacity);
    this.offset = new Float64Array(capacity);
    this.length = new Float64Array(capacity);
    this.address = new Float64Array(capacity);
    this.done = new Float64Array(capacity);
    this.piece = new Float64Array(capacity);
    this.got = new Float64Array(capacity);
    this.error = new Int32Array(capacity);
    this.generation = new Uint32Array(capacity);
    this.connection = new Int32Array(capacity).fill(NO_ROW);
    this.entry = new Int32Array(capacity).fill(NO_ROW);
    this.epoch = new Float64Array(capacity);
    this.whence = new Uint8Array(capacity);
    this.found = new Uint8Array(capacity);
    this.lists = new FifoLists(capacity, 0);
  }

  /** A request begins. */
  fill(
    row: number,
    command: number,
    flags: number,
    address: number,
    length: number,
    offset: number,
  ): void {
    this.command[row] = command;
    this.flags[row] = flags;
    this.address[row] = address;
    this.length[row] = length;
    this.offset[row] = offset;
    this.done[row] = 0;
    this.entry[row] = NO_ROW;
  }

  /** All rows of a list, from its head, which leave it. For rare events. */
  takeAll(list: number): number[] {
    const rows: number[] = [];
    for (let row = this.lists.head[list]!; row !== NO_ROW; row = this.lists.head[list]!) {
      this.lists.remove(list, row);
      rows.push(row);
    }
    return rows;
  }

  /** The same of the lists of connections, which are closed. */
  takeUnderWay(first: number, count: number): number[] {
    const rows: number[] = [];
    for (let list = first; list < first + count; list++) rows.push(...this.takeAll(list));
    for (const row of rows) this.connection[row] = NO_ROW;
    this.underWay -= rows.length;
    return rows;
  }

  /** Puts a row at the head of a list. For rare events. */
  putFirst(list: number, row: number): void {
    const others = this.takeAll(list);
    for (const one of [row, ...others]) this.lists.push(list, one);
  }
}

/**
 * Bytes of the next piece of a range, at most `most`. A sector is in one piece, or a loss of power between two pieces
 * would leave it half old and half new.
 *
 * @param from Where it begins, in the export.
 * @param rest Bytes up to the end of the range.
 */
export function pieceOf(from: number, rest: number, most: number): number {
  if (rest <= most) return rest;
  const whole = most - ((from + most) % UNTORN_BYTES);
  return whole > 0 ? whole : most;
}
