import type { Agreed } from '../nbd/handshake.js';
import * as nbd from '../nbd/protocol.js';
import { SEEK_HOLE } from '../sys/constants.js';
import { ERRNO } from '../util/errno.js';
import { PENDING } from './engine.js';
import { ConnectionBuffers, type ConnectionOwner, NbdConnection } from './nbd-connection.js';
import type { NbdExport, ServedHost, ServedPlaces } from './nbd-export.js';
import { type NbdRows, NO_ROW, pieceOf } from './nbd-rows.js';
import { WriteLog } from './nbd-write-log.js';

/** Most connections to a server. */
export const CONNECTIONS_MAX = 16;
/** Writes that are sent again at a time. */
const REPLAYS = 32;
/** Rows of an export itself: one for its own flushes, and those of repeated writes. */
export const OWN_ROWS = 1 + REPLAYS;
/** Lists of an export: rows that wait, and those under way on each connection. */
export const OWN_LISTS = 1 + CONNECTIONS_MAX;

/** A piece of zeroes or of block status; whole blocks of any size. */
const PIECE_BYTES = 1 << 30;

/**
 * `closing`: the connections are lost, and the kernel still has their memory. `lost`: requests wait for new
 * ones. `replaying`: these repeat the writes since the last flush. `failed`: requests get EIO until there are some.
 * `ended`: it is used no more.
 */
type State = 'up' | 'closing' | 'lost' | 'replaying' | 'failed' | 'ended';

/** An export as the data plane uses it: its connections, and what waits for them. */
export class ServedExport implements ConnectionOwner {
  readonly #export: NbdExport;
  readonly #host: ServedHost;
  readonly #rows: NbdRows;
  /** The list of rows that wait; those of the connections follow. */
  readonly #waiting: number;
  /** The row of own flushes; those of repeated writes follow. */
  readonly #ownRow: number;
  /** Null where what is answered cannot be lost, and where nothing is written. */
  readonly #log: WriteLog | null;
  readonly #buffers: ConnectionBuffers[];
  #agreed: Agreed;
  #connections: NbdConnection[] = [];
  #closing = 0;
  #why = '';
  #state: State = 'up';
  /** A flush of our own is wanted or under way; it waits for room. */
  #isFlushing = false;
  #flushWaits = false;
  /** The server broke the protocol: what is under way is not asked again. */
  #isRefusing = false;
  /** Number of the entry of the log that is repeated next. */
  #replayAt = 0;
  #replaying = 0;
  /** Rows of repeated writes that have more pieces. */
  #unfinished: number[] = [];
  /** Errno of a flush of our own that failed: the next flush tells. */
  #loss = 0;

  constructor(one: NbdExport, host: ServedHost, { ownRow, lists, buffers }: ServedPlaces) {
    this.#export = one;
    this.#host = host;
    this.#rows = host.rows;
    this.#waiting = lists;
    this.#ownRow = ownRow;
    this.#buffers = buffers;
    this.#agreed = one.agreed;
    const keeps = !one.readOnly && (one.agreed.flags & nbd.CAN_FLUSH) !== 0;
    this.#log = keeps ? new WriteLog() : null;
    this.#connect(one.descriptors);
  }

  get id(): number {
    return this.#export.id;
  }

  get size(): number {
    return this.#export.agreed.size;
  }

  get canZero(): boolean {
    return (this.#agreed.flags & nbd.CAN_WRITE_ZEROES) !== 0;
  }

  /** A range is whole blocks of the server. */
  hasBlocks(offset: number, length: number): boolean {
    const { minimumBlock } = this.#agreed;
    return offset % minimumBlock === 0 && length % minimumBlock === 0;
  }

  get tellsHoles(): boolean {
    return this.#agreed.tellsHoles;
  }

  /** Begins a request. Returns PENDING, or its result. */
  begin(
    row: number,
    command: number,
    flags: number,
    address: number,
    length: number,
    offset: number,
  ): number {
    if (this.#state === 'failed') return -ERRNO.EIO;
    const isWrite = command === nbd.CMD_WRITE || command === nbd.CMD_WRITE_ZEROES;
    const isLost = isWrite && (this.#agreed.flags & (nbd.CAN_FLUSH | nbd.CAN_FUA)) === nbd.CAN_FUA;
    this.#rows.fill(
      row,
      command,
      isLost ? flags | nbd.CMD_FLAG_FUA : flags,
      address,
      length,
      offset,
    );
    this.#dispatch(row);
    return PENDING;
  }

  flush(row: number): number {
    if (this.#loss !== 0) {
      const loss = this.#loss;
      this.#loss = 0;
      return loss;
    }
    if ((this.#agreed.flags & nbd.CAN_FLUSH) === 0)
      return this.#state === 'failed' ? -ERRNO.EIO : 0;
    return this.begin(row, nbd.CMD_FLUSH, 0, 0, 0, 0);
  }

  /** lseek(2) by block status. */
  seek(row: number, offset: number, whence: number): number {
    this.#rows.whence[row] = whence;
    const start = offset - (offset % this.#agreed.minimumBlock);
    // There is no data: the column keeps the place that was asked for.
    return this.begin(row, nbd.CMD_BLOCK_STATUS, 0, offset, this.size - start, start);
  }

  /** Sends what the turn has queued. */
  unplug(): void {
    for (const connection of this.#connections) connection.unplug();
  }

  /** There are new connections. */
  connected(descriptors: readonly number[], agreed: Agreed): void {
    this.#agreed = agreed;
    this.#state = 'replaying';
    this.#replayAt = 0;
    this.#connect(descriptors);
    this.#replay();
  }

  /** There are none, and no request waits longer. */
  failed(): void {
    if (this.#state !== 'lost') return;
    this.#state = 'failed';
    for (const row of this.#rows.takeAll(this.#waiting)) this.#end(row, -ERRNO.EIO);
  }

  /** Tells the server goodbye. No request may be under way, but for those of its own. */
  end(): void {
    if (this.#state === 'ended') return;
    if (this.#state === 'lost' || this.#state === 'failed') this.#host.left(this.#export);
    this.#closing = (this.#state === 'closing' ? this.#closing : 0) + this.#connections.length;
    this.#state = 'ended';
    // A connection that is already closed says so at once: the last one ends all.
    if (this.#closing === 0) this.#hasEnded();
    for (const connection of this.#connections.splice(0)) connection.disconnect();
  }

  #hasEnded(): void {
    this.#rows.takeUnderWay(this.#waiting + 1, CONNECTIONS_MAX);
    this.#rows.takeAll(this.#waiting);
    this.#log?.release();
    this.#host.ended();
  }

  #connect(descriptors: readonly number[]): void {
    this.#connections = descriptors.map((descriptor, index) => {
      this.#buffers[index] ??= new ConnectionBuffers();
      const { open } = this.#host;
      const list = this.#waiting + 1 + index;
      const buffers = this.#buffers[index];
      return new NbdConnection(this.#rows, list, this.#agreed, descriptor, open, this, buffers);
    });
  }

  #dispatch(row: number): void {
    const { lists } = this.#rows;
    const isFirst = lists.head[this.#waiting] === NO_ROW;
    if (this.#state !== 'up' || !isFirst || !this.#start(row)) lists.push(this.#waiting, row);
  }

  /** Starts what waits, in order, as far as there is room. */
  hasRoom(): void {
    if (this.#state === 'replaying') this.#replay();
    const { lists } = this.#rows;
    // Before whatever waits: that may wait for the log.
    if (this.#flushWaits && this.#state === 'up') {
      this.#flushWaits = !this.#start(this.#ownRow);
      if (this.#flushWaits) return;
    }
    while (this.#state === 'up') {
      const row = lists.head[this.#waiting]!;
      if (row === NO_ROW) return;
      lists.remove(this.#waiting, row);
      if (this.#start(row)) continue;
      this.#rows.putFirst(this.#waiting, row);
      return;
    }
  }

  /** @returns False if there is no room for it. */
  #start(row: number): boolean {
    const rows = this.#rows;
    const command = rows.command[row]!;
    const isWrite = command === nbd.CMD_WRITE;
    const rest = rows.length[row]! - rows.done[row]!;
    const isTransfer = isWrite || command === nbd.CMD_READ;
    const most = isTransfer ? this.#agreed.maximumPayload : PIECE_BYTES;
    const piece = pieceOf(rows.offset[row]! + rows.done[row]!, rest, most);
    const connection = this.#freest(isWrite ? piece : 0);
    if (connection === null || !this.#keep(row, command)) return false;
    rows.piece[row] = piece;
    rows.found[row] = 0;
    if (command === nbd.CMD_FLUSH) rows.epoch[row] = this.#log?.beginFlush() ?? 0;
    connection.queue(row);
    return true;
  }

  /** The connection with the fewest requests; null if none has room. */
  #freest(bytes: number): NbdConnection | null {
    let found: NbdConnection | null = null;
    for (const one of this.#connections) {
      const isFreer = found === null || one.inFlight < found.inFlight;
      if (isFreer && one.hasRoomFor(bytes)) found = one;
    }
    return found;
  }

  /** Puts a write into the log. @returns False if that is full. */
  #keep(row: number, command: number): boolean {
    const log = this.#log;
    const isChange = command === nbd.CMD_WRITE || command === nbd.CMD_WRITE_ZEROES;
    const { flags, offset, length, address, entry } = this.#rows;
    if (log === null || !isChange || this.#isOwn(row) || entry[row] !== NO_ROW) return true;
    const at = command === nbd.CMD_WRITE ? address[row]! : 0;
    entry[row] = log.add(command, flags[row]!, offset[row]!, length[row]!, at);
    if (log.isHalfFull) this.#flushOwn();
    return entry[row] !== NO_ROW;
  }

  #isOwn(row: number): boolean {
    return row >= this.#ownRow && row < this.#ownRow + OWN_ROWS;
  }

  /** So that the log does not become full. */
  #flushOwn(): void {
    if (this.#isFlushing) return;
    this.#isFlushing = true;
    this.#rows.fill(this.#ownRow, nbd.CMD_FLUSH, 0, 0, 0, 0);
    this.#flushWaits = !this.#start(this.#ownRow);
  }

  replied(_connection: NbdConnection, row: number): void {
    const rows = this.#rows;
    const error = rows.error[row]!;
    if (error === -nbd.NBD_ESHUTDOWN) {
      rows.lists.push(this.#waiting, row);
      this.broken('the server is shutting down', false);
      return;
    }
    const isStatus = rows.command[row] === nbd.CMD_BLOCK_STATUS;
    rows.done[row]! += isStatus ? rows.got[row]! : rows.piece[row]!;
    const isStuck = isStatus && rows.got[row] === 0 && rows.found[row] === 0;
    const isWhole = rows.done[row]! >= rows.length[row]! || rows.found[row] === 1;
    if (error < 0) this.#end(row, error);
    else if (isStuck) this.#end(row, -ERRNO.EIO);
    else if (isWhole) this.#end(row, isStatus ? this.#found(row) : rows.length[row]!);
    else if (this.#isOwn(row)) this.#unfinished.push(row);
    else this.#dispatch(row);
    this.hasRoom();
  }

  /** The place that a seek has come to, in the range that was asked for. */
  #found(row: number): number {
    const { offset, length, address, done, found, whence } = this.#rows;
    if (found[row] === 1 && done[row]! < length[row]!) {
      return Math.max(address[row]!, offset[row]! + done[row]!);
    }
    return whence[row] === SEEK_HOLE ? this.size : -ERRNO.ENXIO;
  }

  /** A row has ended: a count, 0 or -errno. */
  #end(row: number, result: number): void {
    const { command, epoch, entry } = this.#rows;
    const log = this.#log;
    const isFlush = command[row] === nbd.CMD_FLUSH;
    if (isFlush && result >= 0) log?.flushed(epoch[row]!);
    if (row === this.#ownRow) {
      this.#isFlushing = false;
      if (result >= 0 || this.#state === 'failed') return;
      // As after a failed fsync: what was not written is lost, and the next flush says so.
      this.#loss = result;
      log!.flushed(epoch[row]!);
      return;
    }
    if (this.#isOwn(row)) {
      this.#replaying--;
      if (result < 0) this.#loss = result;
      return;
    }
    if (entry[row] !== NO_ROW && log !== null) {
      if (result < 0) log.drop(entry[row]!);
      else log.answered(entry[row]!);
    }
    const isTransfer = command[row] === nbd.CMD_READ || command[row] === nbd.CMD_WRITE;
    const isPlain = result < 0 || isTransfer || command[row] === nbd.CMD_BLOCK_STATUS;
    this.#host.completed(row, isPlain ? result : 0);
  }

  /** Sends the writes of the log again, in order; those that overlap one after the other. */
  #replay(): void {
    const log = this.#log;
    while (this.#state === 'replaying') {
      const unfinished = this.#unfinished.at(-1);
      if (unfinished !== undefined) {
        if (!this.#start(unfinished)) return;
        this.#unfinished.pop();
        continue;
      }
      const next = log?.nextAnswered(this.#replayAt) ?? -1;
      if (next < 0) {
        if (this.#replaying > 0) return;
        this.#state = 'up';
        this.hasRoom();
        return;
      }
      const place = log!.placeOf(next);
      const row = this.#replayRow(log!.offset[place]!, log!.length[place]!);
      if (row === NO_ROW) return;
      const { command, flags, address, length, offset } = log!;
      const [from, bytes] = [address[place]!, length[place]!];
      this.#rows.fill(row, command[place]!, flags[place]!, from, bytes, offset[place]!);
      if (!this.#start(row)) return;
      this.#replaying++;
      this.#replayAt = next + 1;
    }
  }

  /** A free row; NO_ROW if there is none, or a write under way has bytes of this range. */
  #replayRow(start: number, bytes: number): number {
    const { connection, offset, length } = this.#rows;
    let free = NO_ROW;
    for (let row = this.#ownRow + 1; row < this.#ownRow + OWN_ROWS; row++) {
      if (connection[row] === NO_ROW) free = row;
      else if (offset[row]! < start + bytes && start < offset[row]! + length[row]!) return NO_ROW;
    }
    return free;
  }

  broken(why: string, isGarbage: boolean): void {
    if (this.#state !== 'up' && this.#state !== 'replaying') return;
    this.#state = 'closing';
    this.#why = why;
    // The same request, sent again, may end the same way for ever.
    this.#isRefusing = isGarbage;
    this.#closing = this.#connections.length;
    for (const one of this.#connections.splice(0)) one.close();
  }

  /** A connection is closed. Behind the last one everything waits for new ones. */
  closed(): void {
    if (--this.#closing > 0) return;
    if (this.#state === 'ended') {
      this.#hasEnded();
      return;
    }
    const rows = this.#rows;
    const underWay = rows.takeUnderWay(this.#waiting + 1, CONNECTIONS_MAX);
    const waiting = rows.takeAll(this.#waiting);
    const again = this.#isRefusing ? waiting : [...underWay, ...waiting];
    for (const row of again) {
      if (this.#isOwn(row)) continue;
      // Pieces of a write that were answered are not in the log, and may be lost.
      if (rows.command[row] !== nbd.CMD_READ) rows.done[row] = 0;
      rows.lists.push(this.#waiting, row);
    }
    this.#state = 'lost';
    this.#replaying = 0;
    this.#unfinished = [];
    this.#isFlushing = false;
    this.#flushWaits = false;
    this.#host.lost(this.#export, this.#why);
    if (!this.#isRefusing) return;
    for (const row of underWay) if (!this.#isOwn(row)) this.#end(row, -ERRNO.EIO);
    // With nothing but repeated writes under way, the next server would be asked the same.
    if (underWay.some((row) => this.#isOwn(row))) this.failed();
  }
}
