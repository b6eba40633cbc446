import { FifoLists } from '../util/fifo-lists.js';
import { CACHE_BLOCK } from './cache-layout.js';

/** `Engine.allocate` has its mode in the column of modes; all else has this. */
export const NO_MODE = -1;

// What a request waits for. It has no other operation under way.
export const NOTHING = 0;
/** The cache gives its bytes. */
export const CACHED = 1;
/** The server gives its bytes; */
export const FETCHED = 2;
/** these go into the cache, */
export const FILLED = 3;
/** and the file says so. */
export const NOTED = 4;
/** The file says that its blocks are not there; */
export const FORGOTTEN = 5;
/** then the server changes them. */
export const CHANGED = 6;
export const FLUSHED = 7;

/** The requests for exports with a cache: parallel typed arrays, a row each. */
export class CachedRows {
  readonly step: Uint8Array;
  readonly file: Int32Array;
  readonly address: Float64Array;
  readonly length: Float64Array;
  /** In the export. */
  readonly offset: Float64Array;
  readonly mode: Int32Array;
  /** What it reads is put into the cache: it is in the list of its file. */
  readonly fills: Uint8Array;
  /** What it reads may be old. */
  readonly isOld: Uint8Array;
  /** Of a flush: how many changes it covers; -1: none for certain. */
  readonly covers: Float64Array;
  /** A list of the rows that fill, for each file. */
  readonly filling: FifoLists;

  constructor(requests: number) {
    this.step = new Uint8Array(requests);
    this.file = new Int32Array(requests);
    this.address = new Float64Array(requests);
    this.length = new Float64Array(requests);
    this.offset = new Float64Array(requests);
    this.mode = new Int32Array(requests);
    this.fills = new Uint8Array(requests);
    this.isOld = new Uint8Array(requests);
    this.covers = new Float64Array(requests);
    this.filling = new FifoLists(requests, 0);
  }

  /** Makes room for the lists of so many files. */
  grow(files: number): void {
    this.filling.grow(this.step.length, files);
  }

  begin(
    request: number,
    file: number,
    address: number,
    length: number,
    offset: number,
    mode: number,
  ): void {
    this.file[request] = file;
    this.address[request] = address;
    this.length[request] = length;
    this.offset[request] = offset;
    this.mode[request] = mode;
    this.fills[request] = 0;
    this.isOld[request] = 0;
  }

  fill(request: number): void {
    this.fills[request] = 1;
    this.filling.push(this.file[request]!, request);
  }

  end(request: number): void {
    this.step[request] = NOTHING;
    if (this.fills[request] === 1) this.filling.remove(this.file[request]!, request);
    this.fills[request] = 0;
  }

  /** Are blocks of a range being filled? @param isOld What is read for them may be old from now on. */
  fillsAny(file: number, size: number, first: number, end: number, isOld: boolean): boolean {
    const { head, next } = this.filling;
    let isFilled = false;
    for (let row = head[file]!; row !== -1; row = next[row]!) {
      if (this.firstWhole(row) >= end || first >= this.endWhole(row, size)) continue;
      isFilled = true;
      if (isOld) this.isOld[row] = 1;
    }
    return isFilled;
  }

  /** The first block that it has a byte of. */
  firstTouched(request: number): number {
    return Math.floor(this.offset[request]! / CACHE_BLOCK);
  }

  /** The one behind the last of these. */
  endTouched(request: number): number {
    return Math.ceil((this.offset[request]! + this.length[request]!) / CACHE_BLOCK);
  }

  /** The first block that it has all of. */
  firstWhole(request: number): number {
    return Math.ceil(this.offset[request]! / CACHE_BLOCK);
  }

  /** The one behind the last of these. @param size Of the export: there a block may be short. */
  endWhole(request: number, size: number): number {
    const end = this.offset[request]! + this.length[request]!;
    return end === size ? Math.ceil(size / CACHE_BLOCK) : Math.floor(end / CACHE_BLOCK);
  }

  /** Bytes of these. */
  wholeBytes(request: number, size: number): number {
    const end = Math.min(size, this.endWhole(request, size) * CACHE_BLOCK);
    return end - this.firstWhole(request) * CACHE_BLOCK;
  }
}
