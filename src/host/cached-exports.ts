import { FALLOC_PUNCH_HOLE, FALLOC_ZERO_RANGE } from '../sys/constants.js';
import { ERRNO, hostErrorText } from '../util/errno.js';
import { BlockSet } from './block-set.js';
import { emptyCacheFile, loadBits } from './cache-file.js';
import { CACHE_BLOCK, type CacheLayout, cacheLayout } from './cache-layout.js';
import {
  CACHED,
  CachedRows,
  CHANGED,
  FETCHED,
  FILLED,
  FLUSHED,
  FORGOTTEN,
  NO_MODE,
  NOTED,
  NOTHING,
} from './cached-rows.js';
import {
  type CacheFigures,
  type Engine,
  type EngineFile,
  type HostStatus,
  PENDING,
  type TransferCall,
} from './engine.js';

/** An export and its cache. */
interface Cached {
  /** Of the export, and of the file of the cache. */
  readonly handle: number;
  readonly file: number;
  readonly path: string;
  readonly descriptor: number;
  readonly size: number;
  readonly layout: CacheLayout;
  /** Blocks that the file has. It says so of no other block. */
  readonly present: BlockSet;
  /** Blocks that the server may have changed since its last flush. It may lose that, so they are not kept. */
  readonly changed: BlockSet;
  /** Changes that are under way, and that have ever begun. */
  changing: number;
  changes: number;
  /** FORGOTTEN requests. */
  forgetting: number;
  /** Nothing more is put into it. */
  isFull: boolean;
  /** Bytes of reads that the cache answered, and the server. */
  fromCache: number;
  fromServer: number;
}

/** The surroundings of the engine. */
export interface CachedHost {
  /** The engines of the caches' files and of the exports. */
  readonly files: Engine;
  readonly exports: Engine;
  /** Requests have numbers below this. */
  readonly requests: number;
  completed(request: number, result: number): void;
  warn(text: string): void;
}

/**
 * Exports of NBD servers with a file that keeps what was read. A request goes through several operations of the
 * engines below, one after the other.
 *
 * Reads alone fill the cache, with whole blocks. A block that is to be changed leaves it first, in the file too, and
 * comes back when it is read after the server has flushed it. So the file never has what the server may lose, and
 * never lacks what it has, whenever this process or the server is killed.
 */
export class CachedExports implements Engine {
  readonly #host: CachedHost;
  readonly #all: Cached[] = [];
  readonly #unused: number[] = [];
  readonly #rows: CachedRows;

  constructor(host: CachedHost) {
    this.#host = host;
    this.#rows = new CachedRows(host.requests);
  }

  /** @throws SluiceError ENOMEM, EMFILE, exit code 1. The export is the caller's then. */
  add(file: EngineFile): number {
    const { files, exports } = this.#host;
    const { path, descriptor } = file.cache!;
    const { size } = file.nbd!.agreed;
    const layout = cacheLayout(size);
    const present = new BlockSet(layout.blocks);
    const changed = new BlockSet(layout.blocks);
    // Never by the thread that asks, also where the file is in memory: a request here has no reply to wait for.
    const own = files.add({ descriptor, inMemory: false });
    const counts = { changing: 0, changes: 0, forgetting: 0, fromCache: 0, fromServer: 0 };
    const place = this.#unused.pop() ?? this.#all.length;
    this.#rows.grow(place + 1);
    try {
      loadBits(present, descriptor, layout);
      const handle = exports.add(file);
      this.#all[place] = {
        ...{ handle, file: own, path, descriptor, size, layout, present, changed },
        ...{ ...counts, isFull: false },
      };
      return place;
    } catch (error) {
      this.#giveBack(place, own, present, changed);
      throw error;
    }
  }

  remove(file: number): void {
    const { handle, file: own, present, changed } = this.#all[file]!;
    this.#host.exports.remove(handle);
    this.#giveBack(file, own, present, changed);
  }

  #giveBack(place: number, own: number, ...sets: BlockSet[]): void {
    this.#host.files.remove(own);
    for (const one of sets) one.release();
    this.#unused.push(place);
  }

  cacheOf(file: number): CacheFigures {
    const { path, present, size, fromCache, fromServer, isFull } = this.#all[file]!;
    const kept = Math.min(size, present.count * CACHE_BLOCK);
    return { path, kept, fromCache, fromServer, isGrowing: !isFull };
  }

  links(): boolean {
    return false;
  }

  readonly read: TransferCall = (request, file, address, length, offset) => {
    const { size, present, layout, file: own } = this.#all[file]!;
    const rows = this.#rows;
    const bytes = Math.min(length, size - offset);
    if (bytes <= 0) return 0;
    rows.begin(request, file, address, bytes, offset, NO_MODE);
    if (!present.hasAll(rows.firstTouched(request), rows.endTouched(request))) {
      return this.#go(request, this.#fetch(request));
    }
    rows.step[request] = CACHED;
    const at = layout.data + offset;
    return this.#go(request, this.#host.files.read(request, own, address, bytes, at, false));
  };

  readonly write: TransferCall = (request, file, address, length, offset) => {
    const bytes = Math.min(length, this.#all[file]!.size - offset);
    if (bytes <= 0) return -ERRNO.ENOSPC;
    this.#rows.begin(request, file, address, bytes, offset, NO_MODE);
    return this.#go(request, this.#change(request));
  };

  allocate(request: number, file: number, mode: number, offset: number, length: number): number {
    const { handle, size } = this.#all[file]!;
    const bytes = Math.min(length, size - offset);
    const changes = (mode & (FALLOC_PUNCH_HOLE | FALLOC_ZERO_RANGE)) !== 0 && bytes > 0;
    if (!changes) return this.#host.exports.allocate(request, handle, mode, offset, length);
    this.#rows.begin(request, file, 0, bytes, offset, mode);
    return this.#go(request, this.#change(request));
  }

  flush(request: number, file: number, dataOnly: boolean): number {
    const { handle, changing, changes } = this.#all[file]!;
    const rows = this.#rows;
    rows.begin(request, file, 0, 0, 0, NO_MODE);
    rows.covers[request] = changing === 0 ? changes : -1;
    rows.step[request] = FLUSHED;
    return this.#go(request, this.#host.exports.flush(request, handle, dataOnly));
  }

  resize(request: number, file: number, size: number): number {
    return this.#host.exports.resize(request, this.#all[file]!.handle, size);
  }

  seek(request: number, file: number, offset: number, whence: number): number {
    return this.#host.exports.seek(request, this.#all[file]!.handle, offset, whence);
  }

  setTimes(request: number, file: number, times: Uint8Array): number {
    return this.#host.exports.setTimes(request, this.#all[file]!.handle, times);
  }

  status(request: number, file: number, status: HostStatus): number {
    return this.#host.exports.status(request, this.#all[file]!.handle, status);
  }

  /** An operation of one of the engines below has ended. @returns False if it was not of a request here. */
  completed(request: number, result: number): boolean {
    if (this.#rows.step[request] === NOTHING) return false;
    const final = this.#go(request, result);
    if (final !== PENDING) this.#host.completed(request, final);
    return true;
  }

  /** Goes on as far as results are there. */
  #go(request: number, begun: number): number {
    let result = begun;
    while (result !== PENDING && this.#rows.step[request] !== NOTHING) {
      result = this.#next(request, result);
    }
    return result;
  }

  /**
   * @param result Of the operation that the request waited for.
   * @returns That of the next one; without a next one, that of the request.
   */
  #next(request: number, result: number): number {
    const rows = this.#rows;
    const one = this.#all[rows.file[request]!]!;
    const length = rows.length[request]!;
    const isKept = rows.fills[request] === 1 && rows.isOld[request] === 0;
    switch (rows.step[request]) {
      case CACHED:
        // The server has it too, and what it gives may repair the file.
        if (result !== length) return this.#fetch(request);
        one.fromCache += length;
        return this.#end(request, length);
      case FETCHED:
        if (result > 0) one.fromServer += result;
        return isKept && result === length ? this.#keep(request) : this.#end(request, result);
      case FILLED:
        if (result !== rows.wholeBytes(request, one.size)) this.#stop(one, result);
        else if (isKept) return this.#note(request);
        return this.#end(request, length);
      case NOTED:
        if (result < 0) this.#stop(one, result);
        return this.#end(request, length);
      case FORGOTTEN:
        one.forgetting--;
        if (result === this.#bitBytes(request) || this.#empty(one)) return this.#changeNow(request);
        one.changing--;
        return this.#end(request, -ERRNO.EIO);
      case CHANGED:
        one.changing--;
        return this.#end(request, result);
      default:
        if (result >= 0 && rows.covers[request] === one.changes) one.changed.reset();
        return this.#end(request, result);
    }
  }

  #end(request: number, result: number): number {
    this.#rows.end(request);
    return result;
  }

  /** Has the server read it. */
  #fetch(request: number): number {
    const rows = this.#rows;
    const file = rows.file[request]!;
    const { handle, isFull, changed, size } = this.#all[file]!;
    const first = rows.firstWhole(request);
    const end = rows.endWhole(request, size);
    const mayFill = !isFull && first < end && !changed.hasAny(first, end);
    // Two that write the same place of the file would have no order.
    if (mayFill && !rows.fillsAny(file, size, first, end, false)) rows.fill(request);
    rows.step[request] = FETCHED;
    const address = rows.address[request]!;
    const length = rows.length[request]!;
    return this.#host.exports.read(request, handle, address, length, rows.offset[request]!, false);
  }

  /** Puts whole blocks of what was read into the file. */
  #keep(request: number): number {
    const rows = this.#rows;
    const { file, layout, size } = this.#all[rows.file[request]!]!;
    const start = rows.firstWhole(request) * CACHE_BLOCK;
    const from = rows.address[request]! + start - rows.offset[request]!;
    const bytes = rows.wholeBytes(request, size);
    rows.step[request] = FILLED;
    return this.#host.files.write(request, file, from, bytes, layout.data + start, false);
  }

  /** They are in the file: now its bits say so. */
  #note(request: number): number {
    const rows = this.#rows;
    const { present, size } = this.#all[rows.file[request]!]!;
    present.add(rows.firstWhole(request), rows.endWhole(request, size));
    rows.step[request] = NOTED;
    return this.#writeBits(request);
  }

  /** Takes blocks out of the cache before the server changes them. */
  #change(request: number): number {
    const rows = this.#rows;
    const file = rows.file[request]!;
    const one = this.#all[file]!;
    const first = rows.firstTouched(request);
    const end = rows.endTouched(request);
    one.changing++;
    one.changes++;
    one.changed.add(first, end);
    rows.fillsAny(file, one.size, first, end, true);
    const isNoted = one.present.remove(first, end) > 0;
    // What another one takes out may not be out of the file yet.
    if (!isNoted && one.forgetting === 0) return this.#changeNow(request);
    one.forgetting++;
    rows.step[request] = FORGOTTEN;
    return this.#writeBits(request);
  }

  #changeNow(request: number): number {
    const rows = this.#rows;
    const { exports } = this.#host;
    const { handle } = this.#all[rows.file[request]!]!;
    const mode = rows.mode[request]!;
    const offset = rows.offset[request]!;
    const length = rows.length[request]!;
    rows.step[request] = CHANGED;
    if (mode !== NO_MODE) return exports.allocate(request, handle, mode, offset, length);
    return exports.write(request, handle, rows.address[request]!, length, offset, false);
  }

  /**
   * Writes the bits of the blocks that a request touches, as they are when the kernel copies them, which it does under
   * a lock of the file. So of two that overlap, the one that it copies later has what both have changed, whichever was
   * asked for first.
   */
  #writeBits(request: number): number {
    const { file, layout, present } = this.#all[this.#rows.file[request]!]!;
    const from = this.#rows.firstTouched(request) >> 3;
    const at = layout.bits + from;
    const bytes = this.#bitBytes(request);
    return this.#host.files.write(request, file, present.address + from, bytes, at, false);
  }

  /** Bytes of these bits. */
  #bitBytes(request: number): number {
    const last = this.#rows.endTouched(request) - 1;
    return (last >> 3) + 1 - (this.#rows.firstTouched(request) >> 3);
  }

  /** The file takes no more: what it has goes on being used. */
  #stop(one: Cached, result: number): void {
    if (one.isFull) return;
    one.isFull = true;
    const why = hostErrorText(result < 0 ? -result : ERRNO.ENOSPC);
    this.#host.warn(`${one.path}: ${why}: nothing more is kept in this cache`);
  }

  /** Its bits cannot be written, so nothing in it may be believed. @returns False if it cannot be emptied. */
  #empty(one: Cached): boolean {
    if (one.present.count > 0) {
      this.#host.warn(`${one.path}: cannot be written, so this cache is given up`);
    }
    one.isFull = true;
    one.present.remove(0, one.layout.blocks);
    return emptyCacheFile(one.descriptor);
  }
}
