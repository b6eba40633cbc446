import { type Mapping, mapAnonymous, unmap } from '../sys/memory.js';
import { copyMemory } from '../sys/transfer.js';
import { NO_ROW } from './nbd-rows.js';

/** Entries, a power of two: as many writes of 4 KiB as there are bytes for. */
const ENTRIES = 16384;
const LOG_BYTES = 64 << 20;

const DROPPED = 0;
/** The server has not answered. */
const SENT = 1;
/** The server has answered, and nothing says that it is on its disk. */
const ANSWERED = 2;

/**
 * The writes to an export since its last flush, with their data. A server that is started again may have lost
 * them: then they are sent again, in this order. An entry is known by its place; its number only grows.
 */
export class WriteLog {
  readonly command = new Uint8Array(ENTRIES);
  readonly flags = new Uint8Array(ENTRIES);
  readonly offset = new Float64Array(ENTRIES);
  readonly length = new Float64Array(ENTRIES);
  readonly address = new Float64Array(ENTRIES);
  readonly #state = new Uint8Array(ENTRIES);
  readonly #epoch = new Float64Array(ENTRIES);
  /** Where the bytes of the entry end. */
  readonly #end = new Float64Array(ENTRIES);
  readonly #bytes: number;
  readonly #memory: Mapping;
  /** Numbers of the oldest entry and of the next one. */
  #head = 0;
  #tail = 0;
  /** Bytes in use: from `#first` to `#next`, perhaps around the end. */
  #first = 0;
  #next = 0;
  #now = 0;

  /** @param bytes Memory for data; it takes RAM as it is used. */
  constructor(bytes = LOG_BYTES) {
    this.#bytes = bytes;
    this.#memory = mapAnonymous(bytes);
  }

  /** Gives its memory back. It is used no more. */
  release(): void {
    unmap(this.#memory);
  }

  /** Enough has gathered for a flush of our own. */
  get isHalfFull(): boolean {
    const used = this.#next - this.#first;
    const bytes = used < 0 ? used + this.#bytes : used;
    return bytes > this.#bytes / 2 || this.#tail - this.#head > ENTRIES / 2;
  }

  /**
   * Keeps a write that is about to be sent.
   * @param address Its data; 0 for none.
   * @returns The place of the entry; NO_ROW if the log is full.
   */
  add(command: number, flags: number, offset: number, length: number, address: number): number {
    if (this.#tail - this.#head === ENTRIES) return NO_ROW;
    const at = address === 0 ? this.#next : this.#room(length);
    if (at < 0) return NO_ROW;
    const place = this.#tail++ & (ENTRIES - 1);
    this.command[place] = command;
    this.flags[place] = flags;
    this.offset[place] = offset;
    this.length[place] = length;
    this.address[place] = 0;
    this.#state[place] = SENT;
    if (address !== 0) {
      this.address[place] = this.#memory.address + at;
      copyMemory(this.address[place], address, length);
      this.#next = at + length;
    }
    this.#end[place] = this.#next;
    return place;
  }

  /** Where `length` bytes fit; -1: nowhere. One byte stays free, so that full differs from empty. */
  #room(length: number): number {
    if (this.#next >= this.#first) {
      if (this.#next + length < this.#bytes) return this.#next;
      return length < this.#first ? 0 : -1;
    }
    return this.#next + length < this.#first ? this.#next : -1;
  }

  answered(place: number): void {
    this.#state[place] = ANSWERED;
    this.#epoch[place] = this.#now;
  }

  /** The write has failed: its caller knows. */
  drop(place: number): void {
    this.#state[place] = DROPPED;
    this.#release();
  }

  /** A flush is about to be sent: it covers what is answered by now. @returns For `flushed`. */
  beginFlush(): number {
    return ++this.#now;
  }

  flushed(epoch: number): void {
    for (let number = this.#head; number < this.#tail; number++) {
      const place = number & (ENTRIES - 1);
      if (this.#state[place] === ANSWERED && this.#epoch[place]! < epoch) {
        this.#state[place] = DROPPED;
      }
    }
    this.#release();
  }

  #release(): void {
    while (this.#head < this.#tail) {
      const place = this.#head & (ENTRIES - 1);
      if (this.#state[place] !== DROPPED) return;
      this.#first = this.#end[place]!;
      this.#head++;
    }
    // Empty: the memory that was used last is used again.
    this.#first = 0;
    this.#next = 0;
  }

  /** Number of the first entry from `number` on that the server has answered; -1: none. */
  nextAnswered(number: number): number {
    for (let at = Math.max(number, this.#head); at < this.#tail; at++) {
      if (this.#state[at & (ENTRIES - 1)] === ANSWERED) return at;
    }
    return -1;
  }

  placeOf(number: number): number {
    return number & (ENTRIES - 1);
  }
}
