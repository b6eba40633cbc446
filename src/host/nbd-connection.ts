import type { Agreed } from '../nbd/handshake.js';
import * as nbd from '../nbd/protocol.js';
import { ReplyDecoder, type ReplySink } from '../nbd/replies.js';
import { encodeRequest, requestBytes } from '../nbd/requests.js';
import { SEEK_HOLE } from '../sys/constants.js';
import { type Mapping, mapAnonymous } from '../sys/memory.js';
import { MSG_DONTWAIT, MSG_NOSIGNAL, send } from '../sys/sockets.js';
import { clearMemory, copyMemory } from '../sys/transfer.js';
import { ERRNO, errnoName } from '../util/errno.js';
import { type NbdRows, NO_ROW } from './nbd-rows.js';

/** Requests that are under way on one connection. */
const DEPTH = 128;
const OUT_BYTES = 256 << 10;
const IN_BYTES = 256 << 10;
/** Two headers: of the request, and of a flush that may come before it. */
const RESERVE_BYTES = 64;
/** Data of a write from here on is sent from its own place, and data of a read received at its place. */
const LARGE_BYTES = 32 << 10;
/** Stretches of memory that wait to be sent. */
const STRETCHES = 2 * DEPTH + 3;

/** Carries the bytes of a connection. At most one send and one receive are under way. */
export interface Wire {
  /** Data can be received at any address, not only in the buffer of `OpenWire`. */
  readonly canPlace: boolean;
  /** Ends with `WireEvents.sent`. */
  send(address: number, length: number): void;
  /** Ends with `WireEvents.received`. @param all Not before all bytes have come, if nothing breaks. */
  receive(address: number, length: number, all: boolean): void;
  /** Ends what is under way, closes the descriptor, and then says `WireEvents.closed`. */
  close(): void;
}

/** Results: a count of bytes; 0 or -errno if the connection is lost. */
export interface WireEvents {
  sent(result: number): void;
  received(result: number): void;
  /** The kernel uses no memory of the connection any more. */
  closed(): void;
}

/** @param buffer Where bytes are received, unless `receive` says otherwise. */
export type OpenWire = (descriptor: number, buffer: Mapping, events: WireEvents) => Wire;

/** The export that a connection belongs to. */
export interface ConnectionOwner {
  /** A row that was under way has its reply, or at least all of this piece. */
  replied(connection: NbdConnection, row: number): void;
  /** There is room for more requests. */
  hasRoom(): void;
  /** Nothing can come through it any more: it is to be closed. @param isGarbage The server broke the protocol. */
  broken(why: string, isGarbage: boolean): void;
  /** It is closed. Rows that were under way are in its list. */
  closed(connection: NbdConnection): void;
}

const ERRNO_OF: ReadonlyMap<number, number> = new Map([
  [1, -ERRNO.EPERM],
  [12, -ERRNO.ENOMEM],
  [28, -ERRNO.ENOSPC],
  [95, -ERRNO.EOPNOTSUPP],
  [nbd.NBD_ESHUTDOWN, -nbd.NBD_ESHUTDOWN],
]);

/** One connection to a server, behind the handshake. */
export class NbdConnection implements ReplySink {
  /** Number of its list of rows under way. */
  readonly list: number;
  inFlight = 0;
  readonly #rows: NbdRows;
  readonly #agreed: Agreed;
  readonly #owner: ConnectionOwner;
  readonly #descriptor: number;
  readonly #decoder: ReplyDecoder;
  readonly #out: Buffers;
  readonly #in: Buffers;
  readonly #wire: Wire;
  #outAt = 0;
  /** Stretches to send, oldest first; all places are free again once all are sent. */
  readonly #address = new Float64Array(STRETCHES);
  readonly #length = new Float64Array(STRETCHES);
  #head = 0;
  #tail = 0;
  #isSending = false;
  /** Data is being received at its own place. */
  #isPlaced = false;
  #isClosed = false;

  constructor(
    rows: NbdRows,
    list: number,
    agreed: Agreed,
    descriptor: number,
    open: OpenWire,
    owner: ConnectionOwner,
    buffers = new ConnectionBuffers(),
  ) {
    this.#rows = rows;
    this.list = list;
    this.#agreed = agreed;
    this.#owner = owner;
    this.#descriptor = descriptor;
    this.#decoder = new ReplyDecoder(agreed.structured, agreed.extended, this);
    this.#out = buffers.out;
    this.#in = buffers.in;
    this.#wire = open(descriptor, this.#in.mapping, {
      sent: (result) => this.#sent(result),
      received: (result) => this.#received(result),
      closed: () => owner.closed(this),
    });
    this.#listen();
  }

  /** Is there room for a row with so many bytes of data to send? */
  hasRoomFor(bytes: number): boolean {
    const data = bytes < LARGE_BYTES ? bytes : 0;
    const isShort = this.#outAt + data + RESERVE_BYTES <= OUT_BYTES;
    return isShort && this.inFlight < DEPTH && this.#tail + 3 <= STRETCHES;
  }

  /** Queues the piece of a row that comes next; `unplug` sends it. There must be room. */
  queue(row: number): void {
    const rows = this.#rows;
    const { extended } = this.#agreed;
    const command = rows.command[row]!;
    const done = rows.done[row]!;
    const piece = rows.piece[row]!;
    const isFlush = command === nbd.CMD_FLUSH;
    rows.generation[row]!++;
    rows.got[row] = 0;
    rows.error[row] = 0;
    rows.connection[row] = this.list;
    rows.lists.push(this.list, row);
    this.inFlight++;
    rows.underWay++;
    encodeRequest(
      this.#out.view,
      this.#outAt,
      extended,
      command,
      rows.flags[row]!,
      row,
      rows.generation[row]!,
      isFlush ? 0 : rows.offset[row]! + done,
      piece,
    );
    const at = this.#outAt;
    this.#outAt += requestBytes(extended);
    if (command !== nbd.CMD_WRITE) {
      this.#add(this.#out.mapping.address + at, this.#outAt - at);
      return;
    }
    const data = rows.address[row]! + done;
    if (piece < LARGE_BYTES) {
      copyMemory(this.#out.mapping.address + this.#outAt, data, piece);
      this.#outAt += piece;
    }
    this.#add(this.#out.mapping.address + at, this.#outAt - at);
    if (piece >= LARGE_BYTES) this.#add(data, piece);
  }

  /** What follows the last stretch in memory becomes a part of it, unless that is being sent. */
  #add(address: number, length: number): void {
    const last = this.#tail - 1;
    const isFree = last > this.#head || (last === this.#head && !this.#isSending);
    if (isFree && this.#address[last]! + this.#length[last]! === address) {
      this.#length[last]! += length;
      return;
    }
    this.#address[this.#tail] = address;
    this.#length[this.#tail++] = length;
  }

  /** Sends what was queued. */
  unplug(): void {
    if (this.#isSending || this.#head === this.#tail || this.#isClosed) return;
    this.#isSending = true;
    this.#wire.send(this.#address[this.#head]!, this.#length[this.#head]!);
  }

  #sent(result: number): void {
    if (this.#isClosed) return;
    this.#isSending = false;
    if (result <= 0) {
      this.#broken(result);
      return;
    }
    this.#address[this.#head]! += result;
    this.#length[this.#head]! -= result;
    if (this.#length[this.#head] === 0) this.#head++;
    if (this.#head === this.#tail) {
      this.#head = 0;
      this.#tail = 0;
      this.#outAt = 0;
      this.#owner.hasRoom();
    }
    this.unplug();
  }

  #received(result: number): void {
    if (this.#isClosed) return;
    if (result <= 0) {
      this.#broken(result);
      return;
    }
    if (this.#isPlaced) {
      this.#rows.got[this.#decoder.dataIndex]! += result;
      this.#decoder.tookData(result);
    } else {
      const problem = this.#decoder.decode(this.#in.bytes, 0, result);
      if (this.#isClosed) return;
      if (problem !== '') {
        this.#owner.broken(`the server breaks the protocol: ${problem}`, true);
        return;
      }
    }
    if (!this.#isClosed) this.#listen();
  }

  #listen(): void {
    const rest = this.#decoder.dataRest;
    this.#isPlaced = this.#wire.canPlace && rest >= LARGE_BYTES;
    if (!this.#isPlaced) {
      this.#wire.receive(this.#in.mapping.address, IN_BYTES, false);
      return;
    }
    const { dataIndex: row, dataOffset } = this.#decoder;
    this.#wire.receive(this.#placeOf(row, dataOffset), rest, true);
  }

  #broken(result: number): void {
    const isEnd = [0, -ERRNO.EPIPE, -ERRNO.ECONNRESET].includes(result);
    const why = isEnd
      ? 'the server has closed the connection'
      : `the connection fails: ${errnoName(result)}`;
    this.#owner.broken(why, false);
  }

  #placeOf(row: number, offset: number): number {
    return this.#rows.address[row]! + offset - this.#rows.offset[row]!;
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#wire.close();
  }

  /** Tells the server that this client leaves. Nothing may be under way. */
  disconnect(): void {
    if (this.#isClosed) return;
    const { extended } = this.#agreed;
    encodeRequest(this.#out.view, 0, extended, nbd.CMD_DISC, 0, 0, 0, 0, 0);
    send(this.#descriptor, this.#out.bytes, requestBytes(extended), MSG_DONTWAIT | MSG_NOSIGNAL);
    this.close();
  }

  knows(row: number, generation: number): boolean {
    const { capacity, connection, generation: current } = this.#rows;
    return row < capacity && connection[row] === this.list && current[row] === generation;
  }

  simpleBytes(row: number): number {
    return this.#rows.command[row] === nbd.CMD_READ ? this.#rows.piece[row]! : 0;
  }

  simpleOffset(row: number): number {
    return this.#rows.offset[row]! + this.#rows.done[row]!;
  }

  accepts(row: number, offset: number, length: number): boolean {
    const { command, piece, got } = this.#rows;
    const start = this.simpleOffset(row);
    return (
      command[row] === nbd.CMD_READ &&
      offset >= start &&
      offset + length <= start + piece[row]! &&
      got[row]! + length <= piece[row]!
    );
  }

  data(row: number, offset: number, _bytes: Uint8Array, from: number, length: number): void {
    copyMemory(this.#placeOf(row, offset), this.#in.mapping.address + from, length);
    this.#rows.got[row]! += length;
  }

  hole(row: number, offset: number, length: number): void {
    clearMemory(this.#placeOf(row, offset), length);
    this.#rows.got[row]! += length;
  }

  /** Goes on up to the first range of the kind that is sought. */
  extent(row: number, length: number, flags: number): void {
    const { command, whence, found, got } = this.#rows;
    if (command[row] !== nbd.CMD_BLOCK_STATUS || found[row] === 1) return;
    const isHole = (flags & nbd.STATE_ZERO) !== 0;
    if (isHole === (whence[row] === SEEK_HOLE)) found[row] = 1;
    else got[row]! += length;
  }

  failed(row: number, error: number): void {
    this.#rows.error[row] = ERRNO_OF.get(error) ?? -ERRNO.EIO;
  }

  done(row: number): void {
    // One more reply of the same buffer, after the connection was given up.
    if (this.#isClosed) return;
    const rows = this.#rows;
    const isWhole = rows.command[row] !== nbd.CMD_READ || rows.got[row] === rows.piece[row];
    if (rows.error[row] === 0 && !isWhole) {
      this.#owner.broken('the server breaks the protocol: a reply with too little data', true);
      return;
    }
    this.inFlight--;
    rows.underWay--;
    rows.lists.remove(this.list, row);
    rows.connection[row] = NO_ROW;
    this.#owner.replied(this, row);
  }
}

interface Buffers {
  readonly mapping: Mapping;
  readonly bytes: Uint8Array;
  readonly view: DataView;
}

function newBuffers(bytes: number): Buffers {
  const mapping = mapAnonymous(bytes);
  const { buffer } = mapping;
  return { mapping, bytes: new Uint8Array(buffer), view: new DataView(buffer) };
}

/** The memory of a connection, which is never unmapped: the next connection takes it. */
export class ConnectionBuffers {
  readonly out = newBuffers(OUT_BYTES);
  readonly in = newBuffers(IN_BYTES);
}
