import { close } from '../sys/libc.js';
import { bytesAt, type Mapping, mapAnonymous } from '../sys/memory.js';
import { type SocketCall, socketRead, socketWrite } from '../sys/sockets.js';
import { ERRNO } from '../util/errno.js';
import { PENDING } from './engine.js';
import type { OpenWire, Wire, WireEvents } from './nbd-connection.js';
import { NbdEngine } from './nbd-engine.js';
import type { NbdExport } from './nbd-export.js';

/** The only request, and the only file. */
const ONLY_REQUEST = 0;
/** Bytes of one read or write. */
const PIECE_BYTES = 1 << 20;

/** One for all exports of this thread, because it is never unmapped. */
let piece: Mapping | null = null;

const NOTHING = new Uint8Array(0);

/** A socket whose calls wait: what was asked for is done in `step`. */
class WaitingWire implements Wire {
  readonly canPlace = true;
  readonly #descriptor: number;
  readonly #events: WireEvents;
  #send: Uint8Array = NOTHING;
  #receive: Uint8Array = NOTHING;
  #all = false;

  constructor(descriptor: number, events: WireEvents) {
    this.#descriptor = descriptor;
    this.#events = events;
  }

  send(address: number, length: number): void {
    this.#send = bytesAt(address, length);
  }

  receive(address: number, length: number, all: boolean): void {
    this.#receive = bytesAt(address, length);
    this.#all = all;
  }

  /** Sends before it receives. */
  step(): void {
    const { length } = this.#send;
    if (length > 0) {
      const result = this.#transfer(socketWrite, this.#send, true);
      this.#send = NOTHING;
      this.#events.sent(result);
    } else this.#events.received(this.#transfer(socketRead, this.#receive, this.#all));
  }

  /** @returns A count, 0 at the end, or -errno. */
  #transfer(call: SocketCall, bytes: Uint8Array, all: boolean): number {
    for (let done = 0; ; ) {
      const got = call(this.#descriptor, bytes.subarray(done));
      if (got <= 0) return got;
      done += got;
      if (!all || done === bytes.length) return done;
    }
  }

  /** `closed` may come from within. */
  close(): void {
    close(this.#descriptor);
    this.#events.closed();
  }
}

/** An export that is read and written by calls that wait, through one connection. */
export class WaitingExport {
  readonly #engine: NbdEngine;
  readonly #export: NbdExport;
  #wire: WaitingWire | null = null;
  #result: number | null = null;
  /** Why there is no connection any more; '' while there is one. */
  failure = '';

  constructor(one: NbdExport) {
    this.#export = one;
    const open: OpenWire = (descriptor, _buffer, events) => {
      this.#wire = new WaitingWire(descriptor, events);
      return this.#wire;
    };
    this.#engine = new NbdEngine({
      requests: 1,
      open,
      completed: (_request, result) => {
        this.#result = result;
      },
      lost: (_one, why) => {
        this.failure = why;
      },
      left: () => {},
    });
    this.#engine.add({ descriptor: -1, inMemory: false, nbd: one });
  }

  get size(): number {
    return this.#export.agreed.size;
  }

  /** As `Engine.read`, with the result at once. */
  readTo(address: number, length: number, offset: number): number {
    const bytes = Math.min(length, this.size - offset);
    const error = bytes <= 0 ? 0 : this.read(offset, bytesAt(address, bytes));
    return error < 0 ? error : Math.max(0, bytes);
  }

  /** As `Engine.seek`. */
  seek(offset: number, whence: number): number {
    return this.#wait(this.#engine.seek(ONLY_REQUEST, 0, offset, whence));
  }

  flush(): number {
    return this.#wait(this.#engine.flush(ONLY_REQUEST, 0));
  }

  /** Fills `bytes`; behind the end of the export nothing is filled. 0 or -errno. */
  read(offset: number, bytes: Uint8Array): number {
    return this.#inPieces(offset, bytes.length, (start, length, from, to) => {
      const got = this.#transfer('read', start, length);
      if (got >= 0) bytes.set(bytesAt(piece!.address + from - start, to - from), from - offset);
      return got;
    });
  }

  /** Writes all of `bytes`. 0 or -errno. */
  write(offset: number, bytes: Uint8Array): number {
    return this.#inPieces(offset, bytes.length, (start, length, from, to) => {
      const isWhole = to - from === length;
      const got = isWhole ? 0 : this.#transfer('read', start, length);
      if (got < 0) return got;
      bytesAt(piece!.address, length).set(bytes.subarray(from - offset, to - offset), from - start);
      return this.#transfer('write', start, length);
    });
  }

  #transfer(call: 'read' | 'write', start: number, length: number): number {
    return this.#wait(this.#engine[call](ONLY_REQUEST, 0, piece!.address, length, start, false));
  }

  /**
   * @param transfer Moves whole blocks, `length` bytes from `start`, of which `from` to `to` are wanted. Returns
   *   -errno, or anything else for success.
   */
  #inPieces(
    offset: number,
    bytes: number,
    transfer: (start: number, length: number, from: number, to: number) => number,
  ): number {
    piece ??= mapAnonymous(PIECE_BYTES);
    const { minimumBlock } = this.#export.agreed;
    const end = Math.min(offset + bytes, this.size);
    for (let from = offset; from < end; ) {
      const start = from - (from % minimumBlock);
      const to = Math.min(end, start + PIECE_BYTES);
      const length = Math.ceil((to - start) / minimumBlock) * minimumBlock;
      const result = transfer(start, length, from, to);
      if (result < 0) return result;
      from = to;
    }
    return 0;
  }

  #wait(begun: number): number {
    if (begun !== PENDING) return begun;
    this.#result = null;
    this.#engine.unplug();
    while (this.#result === null) {
      if (this.failure !== '') return -ERRNO.EIO;
      this.#wire!.step();
      this.#engine.unplug();
    }
    return this.#result;
  }

  /** Leaves the server. */
  close(): void {
    this.#engine.removeAll();
  }
}
