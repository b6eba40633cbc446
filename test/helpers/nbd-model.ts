import type { Wire, WireEvents } from '../../src/host/nbd-connection.js';
import type { Agreed } from '../../src/nbd/handshake.js';
import { bytesAt } from '../../src/sys/memory.js';

const BLOCK = 512;
export const EIO = 5;

/** Random numbers that are the same in each run (mulberry32). */
export class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** A whole number from 0 to `end` - 1. */
  below(end: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % end;
  }

  chance(percent: number): boolean {
    return this.below(100) < percent;
  }
}

/**
 * A server in memory, written from the protocol's text. It has a cache: a crash loses writes that were not
 * flushed, each of them or not.
 */
export class ModelServer {
  readonly agreed: Agreed;
  /** What clients see, and what survives a crash. */
  readonly now: Uint8Array;
  #disk: Uint8Array;
  #unflushed: { offset: number; bytes: Uint8Array }[] = [];
  readonly #dice: Dice;
  readonly wires = new Set<ModelWire>();
  /** Bytes that each reply begins with; for servers that break the protocol. */
  garbage: Uint8Array | null = null;
  /** Errors of writes, by the percentage of them. */
  errorPercent = 0;
  writes = 0;

  constructor(agreed: Agreed, dice: Dice) {
    this.agreed = agreed;
    this.now = new Uint8Array(agreed.size);
    this.#disk = this.now.slice();
    this.#dice = dice;
  }

  /** What survives a crash for certain. */
  get durable(): Uint8Array {
    return this.#disk;
  }

  open(events: WireEvents): ModelWire {
    const wire = new ModelWire(this, this.#dice, events);
    this.wires.add(wire);
    return wire;
  }

  /** All connections end; writes that were not flushed are there or not. */
  crash(): void {
    for (const { offset, bytes } of this.#unflushed) {
      if (this.#dice.chance(50)) this.#disk.set(bytes, offset);
    }
    this.#unflushed = [];
    this.now.set(this.#disk);
    for (const wire of this.wires) wire.cut();
    this.wires.clear();
  }

  /** @returns Reply bytes. */
  answer(
    flags: number,
    command: number,
    cookie: Buffer,
    offset: number,
    length: number,
    data: Uint8Array,
  ) {
    if (offset + length > this.agreed.size) return this.#end(cookie, 22);
    if (command === 1 || command === 6) {
      this.writes++;
      if (this.#dice.chance(this.errorPercent)) return this.#end(cookie, EIO);
      const bytes = command === 1 ? data.slice() : new Uint8Array(length);
      this.now.set(bytes, offset);
      if ((flags & 1) !== 0) this.#disk.set(bytes, offset);
      else this.#unflushed.push({ offset, bytes });
      return this.#end(cookie, 0);
    }
    if (command === 3) {
      this.#disk.set(this.now);
      this.#unflushed = [];
      return this.#end(cookie, 0);
    }
    if (command === 7) return this.#status(cookie, offset, length);
    return this.#read(cookie, offset, length);
  }

  #end(cookie: Buffer, error: number): Buffer {
    if (!this.agreed.structured) return this.#simple(cookie, error, Buffer.alloc(0));
    if (error === 0) return this.#chunk(cookie, 1, 0, Buffer.alloc(0));
    const data = Buffer.alloc(6);
    data.writeUInt32BE(error, 0);
    return this.#chunk(cookie, 1, 0x8001, data);
  }

  #simple(cookie: Buffer, error: number, data: Buffer): Buffer {
    const head = Buffer.alloc(16);
    head.writeUInt32BE(0x67446698, 0);
    head.writeUInt32BE(error, 4);
    cookie.copy(head, 8);
    return Buffer.concat([head, data]);
  }

  #chunk(cookie: Buffer, flags: number, type: number, data: Buffer): Buffer {
    const { extended } = this.agreed;
    const head = Buffer.alloc(extended ? 32 : 20);
    head.writeUInt32BE(extended ? 0x6e8a278c : 0x668e33ef, 0);
    head.writeUInt16BE(flags, 4);
    head.writeUInt16BE(type, 6);
    cookie.copy(head, 8);
    head.writeUInt32BE(data.length, extended ? 28 : 16);
    return Buffer.concat([head, data]);
  }

  #read(cookie: Buffer, offset: number, length: number): Buffer {
    const all = Buffer.from(this.now.subarray(offset, offset + length));
    if (!this.agreed.structured) return this.#simple(cookie, 0, all);
    const pieces: Buffer[] = [];
    for (let at = 0; at < length; ) {
      const bytes = Math.min(length - at, 1 + this.#dice.below(length));
      const data = all.subarray(at, at + bytes);
      const place = Buffer.alloc(8);
      place.writeBigUInt64BE(BigInt(offset + at));
      const size = Buffer.alloc(4);
      size.writeUInt32BE(bytes);
      const isHole = data.every((byte) => byte === 0);
      pieces.push(
        isHole
          ? this.#chunk(cookie, 0, 2, Buffer.concat([place, size]))
          : this.#chunk(cookie, 0, 1, Buffer.concat([place, data])),
      );
      at += bytes;
    }
    return Buffer.concat([...pieces, this.#end(cookie, 0)]);
  }

  /** Is the block around an offset zero? */
  isHole(offset: number): boolean {
    const start = offset - (offset % BLOCK);
    return this.now.subarray(start, start + BLOCK).every((byte) => byte === 0);
  }

  #status(cookie: Buffer, offset: number, length: number): Buffer {
    const { extended } = this.agreed;
    const ranges: Buffer[] = [];
    for (let at = offset; at < offset + length; ) {
      const isHole = this.isHole(at);
      let end = at;
      while (end < offset + length && this.isHole(end) === isHole) end += BLOCK - (end % BLOCK);
      const range = Buffer.alloc(extended ? 16 : 8);
      range.writeUInt32BE(end - at, extended ? 4 : 0);
      range.writeUInt32BE(isHole ? 3 : 0, extended ? 12 : 4);
      ranges.push(range);
      at = end;
      // It need not tell about all that it is asked.
      if (this.#dice.chance(30)) break;
    }
    const head = Buffer.alloc(extended ? 8 : 4);
    head.writeUInt32BE(1, 0);
    if (extended) head.writeUInt32BE(ranges.length, 4);
    return this.#chunk(cookie, 1, extended ? 6 : 5, Buffer.concat([head, ...ranges]));
  }
}

/** One connection to a ModelServer: bytes move in `step`, some at a time, replies in any order. */
export class ModelWire implements Wire {
  readonly canPlace: boolean;
  readonly #server: ModelServer;
  readonly #dice: Dice;
  readonly #events: WireEvents;
  #sending: Uint8Array | null = null;
  #receiving: { bytes: Uint8Array; all: boolean } | null = null;
  #inbound = Buffer.alloc(0);
  #replies: Buffer[] = [];
  #outbound = Buffer.alloc(0);
  #isCut = false;
  #isClosing = false;

  constructor(server: ModelServer, dice: Dice, events: WireEvents) {
    this.#server = server;
    this.#dice = dice;
    this.#events = events;
    this.canPlace = dice.chance(50);
  }

  send(address: number, length: number): void {
    if (this.#sending !== null) throw new Error('two sends at a time');
    this.#sending = bytesAt(address, length);
  }

  receive(address: number, length: number, all: boolean): void {
    if (this.#receiving !== null) throw new Error('two receives at a time');
    this.#receiving = { bytes: bytesAt(address, length), all };
  }

  close(): void {
    this.#isClosing = true;
  }

  /** The server is gone. */
  cut(): void {
    this.#isCut = true;
  }

  /** Something happens; nothing if there is nothing to do. */
  step(): void {
    if (this.#isClosing) {
      // The kernel lets go of the memory some time later.
      if (this.#dice.chance(50)) return;
      this.#isClosing = false;
      this.#sending = null;
      this.#receiving = null;
      this.#server.wires.delete(this);
      this.#events.closed();
      return;
    }
    switch (this.#dice.below(3)) {
      case 0:
        this.#takeSent();
        break;
      case 1:
        this.#serve();
        break;
      default:
        this.#give();
    }
  }

  #takeSent(): void {
    if (this.#sending === null) return;
    if (this.#isCut) {
      this.#sending = null;
      this.#events.sent(-32);
      return;
    }
    const bytes = this.#dice.chance(70)
      ? this.#sending.length
      : 1 + this.#dice.below(this.#sending.length);
    this.#inbound = Buffer.concat([this.#inbound, this.#sending.subarray(0, bytes)]);
    this.#sending = null;
    this.#events.sent(bytes);
  }

  #serve(): void {
    if (this.#isCut) return;
    const { extended } = this.#server.agreed;
    const header = extended ? 32 : 28;
    if (this.#inbound.length >= header) {
      const request = this.#inbound;
      if (request.readUInt32BE(0) !== (extended ? 0x21e41c71 : 0x25609513))
        throw new Error('no request');
      const flags = request.readUInt16BE(4);
      const command = request.readUInt16BE(6);
      const length = Number(extended ? request.readBigUInt64BE(24) : request.readUInt32BE(24));
      const bytes = header + (command === 1 ? length : 0);
      if (request.length >= bytes) {
        const cookie = request.subarray(8, 16);
        const offset = Number(request.readBigUInt64BE(16));
        const data = request.subarray(header, bytes);
        this.#replies.push(this.#server.answer(flags, command, cookie, offset, length, data));
        this.#inbound = request.subarray(bytes);
      }
    }
    if (this.#replies.length === 0 || this.#dice.chance(30)) return;
    const [reply] = this.#replies.splice(this.#dice.below(this.#replies.length), 1);
    const { garbage } = this.#server;
    this.#outbound = Buffer.concat([this.#outbound, garbage ?? reply!]);
  }

  #give(): void {
    if (this.#receiving === null) return;
    if (this.#isCut) {
      this.#receiving = null;
      this.#events.received(0);
      return;
    }
    const { bytes, all } = this.#receiving;
    const most = Math.min(bytes.length, this.#outbound.length);
    if (most === 0 || (all && most < bytes.length)) return;
    const length = all ? most : 1 + this.#dice.below(most);
    bytes.set(this.#outbound.subarray(0, length));
    this.#outbound = this.#outbound.subarray(length);
    this.#receiving = null;
    this.#events.received(length);
  }
}
