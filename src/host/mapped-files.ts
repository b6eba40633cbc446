import { fstatSync } from 'node:fs';
import { FILE_PAGE, isResident, mapToRead } from '../sys/file-pages.js';
import { munmap } from '../sys/memory.js';
import type { EngineFile } from './engine.js';

/** Bytes of a file in one mapping. The table of its pages is 16 KiB; a process may have 65,530 mappings. */
const SEGMENT_BYTES = 64 << 20;
const SEGMENTS_MAX = 16_384;
/** Pages of which one system call tells: 256 KiB. */
const WINDOW_PAGES = 64;

/** States of a page. ABSENT: it was not there when the kernel was asked, and nobody has written it through the engine since. */
const UNKNOWN = 0;
const ABSENT = 1;
const PRESENT = 2;

/** A part of a file. */
interface Segment {
  address: number;
  states: Uint8Array;
  /** Pages that are PRESENT. */
  present: number;
}

interface MappedFile {
  descriptor: number;
  /** By their place in the file; null: it cannot be mapped. */
  segments: Map<number, Segment | null>;
  /** Operations under way that may take pages out of the file. */
  takers: number;
  /** False: no page is ABSENT, and writes need not be looked at. */
  hasAbsent: boolean;
}

/** An operation that may take pages out of a file. */
interface Taker {
  file: number;
  offset: number;
  length: number;
}

/**
 * Files in memory (tmpfs) that are mapped: a reply to READ leaves from the pages of the file itself, which
 * saves the system call and the copy of a pread. That makes 1.3 of the 4 KiB reads at queue depth 32, and 1.8 of
 * those of 1 MiB.
 *
 * A page that is not there is never touched, as to read it by a mapping would fill the hole. So pages are looked for first (mincore(2)),
 * 64 at a time, and what is found is remembered until an operation may have taken it away.
 */
export class MappedFiles {
  /** By the handle of the engine. */
  readonly #files: (MappedFile | undefined)[] = [];
  readonly #takers = new Map<number, Taker>();
  readonly #window = new Uint8Array(WINDOW_PAGES);
  readonly #mostPages: number;
  readonly #isMapped: (file: EngineFile) => boolean;
  #pages = 0;
  #segments = 0;

  /**
   * @param mostBytes Pages count as memory of the process, for the OOM killer as well: it may have this many bytes of them.
   * @param isMapped Whether a file is one that no transfer waits for.
   */
  constructor(mostBytes: number, isMapped = ({ inMemory }: EngineFile): boolean => inMemory) {
    this.#isMapped = isMapped;
    this.#mostPages = Math.floor(mostBytes / FILE_PAGE);
  }

  /** Bytes that can be read in place now. */
  get bytes(): number {
    return this.#pages * FILE_PAGE;
  }

  add(file: number, one: EngineFile): void {
    const { descriptor } = one;
    if (this.#isMapped(one) && tellsOfPages(descriptor)) {
      this.#files[file] = { descriptor, segments: new Map(), takers: 0, hasAbsent: false };
    }
  }

  /** Nothing may be read from the file any more, nor any reply be queued that has its pages. */
  remove(file: number): void {
    const mapped = this.#files[file];
    delete this.#files[file];
    for (const segment of mapped?.segments.values() ?? []) {
      this.#segments--;
      if (segment === null) continue;
      this.#pages -= segment.present;
      munmap(segment.address, SEGMENT_BYTES);
    }
  }

  /** The address of a range of which all pages are there; 0: it is to be read by a system call. */
  addressOf(file: number, offset: number, length: number): number {
    const mapped = this.#files[file];
    if (mapped === undefined || mapped.takers > 0) return 0;
    const index = Math.floor(offset / SEGMENT_BYTES);
    const start = offset - index * SEGMENT_BYTES;
    if (start + length > SEGMENT_BYTES) return 0;
    let segment = mapped.segments.get(index);
    if (segment === undefined) segment = this.#map(mapped, index);
    if (segment === null) return 0;
    const { states, address } = segment;
    const end = pagesUpTo(start + length);
    for (let page = Math.floor(start / FILE_PAGE); page < end; page++) {
      const state = states[page];
      if (state === PRESENT) continue;
      if (state === ABSENT || !this.#look(mapped, segment, page)) return 0;
    }
    return address + start;
  }

  /** A range of a file is written: it may have more pages then. */
  written(file: number, offset: number, length: number): void {
    const mapped = this.#files[file];
    if (mapped === undefined || !mapped.hasAbsent) return;
    const last = Math.floor((offset + length - 1) / SEGMENT_BYTES);
    for (let index = Math.floor(offset / SEGMENT_BYTES); index <= last; index++) {
      const states = mapped.segments.get(index)?.states;
      if (states === undefined) continue;
      const start = offset - index * SEGMENT_BYTES;
      const end = Math.min(pagesUpTo(start + length), states.length);
      for (let page = Math.max(0, Math.floor(start / FILE_PAGE)); page < end; page++) {
        if (states[page] === ABSENT) states[page] = UNKNOWN;
      }
    }
  }

  /** An operation begins that may take pages out of a range of a file. Until it ends nothing is read in place there. */
  takes(request: number, file: number, offset: number, length: number): void {
    const mapped = this.#files[file];
    if (mapped === undefined) return;
    mapped.takers++;
    this.#takers.set(request, { file, offset, length });
  }

  /** An operation of a request has ended. */
  ended(request: number): void {
    if (this.#takers.size === 0) return;
    const taker = this.#takers.get(request);
    if (taker === undefined) return;
    this.#takers.delete(request);
    const mapped = this.#files[taker.file];
    if (mapped === undefined) return;
    mapped.takers--;
    this.#forget(mapped, taker.offset, taker.offset + taker.length);
  }

  /** Another program has taken pages away. */
  forgetAll(): void {
    for (const mapped of this.#files) if (mapped !== undefined) this.#forget(mapped, 0, Infinity);
  }

  #forget({ segments }: MappedFile, from: number, to: number): void {
    for (const [index, segment] of segments) {
      const start = index * SEGMENT_BYTES;
      if (segment === null || to <= start || from >= start + SEGMENT_BYTES) continue;
      const first = Math.floor(Math.max(0, from - start) / FILE_PAGE);
      const states = segment.states.subarray(first, pagesUpTo(to - start));
      const gone = states.reduce((sum, state) => sum + (state === PRESENT ? 1 : 0), 0);
      segment.present -= gone;
      this.#pages -= gone;
      states.fill(UNKNOWN);
    }
  }

  #map({ descriptor, segments }: MappedFile, index: number): Segment | null {
    if (this.#segments === SEGMENTS_MAX) return null;
    const address = mapToRead(descriptor, index * SEGMENT_BYTES, SEGMENT_BYTES);
    const segment =
      address < 0
        ? null
        : { address, states: new Uint8Array(SEGMENT_BYTES / FILE_PAGE), present: 0 };
    segments.set(index, segment);
    this.#segments++;
    return segment;
  }

  /** Asks the kernel which pages around one are there. @returns Whether that page is. */
  #look(mapped: MappedFile, segment: Segment, page: number): boolean {
    if (this.#pages >= this.#mostPages) return false;
    const { address, states } = segment;
    const first = page - (page % WINDOW_PAGES);
    const found = this.#window;
    const bytes = WINDOW_PAGES * FILE_PAGE;
    if (!isResident(address + first * FILE_PAGE, bytes, found)) return false;
    for (let i = 0; i < WINDOW_PAGES; i++) {
      if (states[first + i] === PRESENT) continue;
      const isThere = (found[i]! & 1) === 1;
      states[first + i] = isThere ? PRESENT : ABSENT;
      if (!isThere) {
        mapped.hasAbsent = true;
        continue;
      }
      segment.present++;
      this.#pages++;
    }
    return states[page] === PRESENT;
  }
}

/**
 * Of a file of somebody else that this process may not write, Linux tells nothing: it says that all pages are there. So
 * it is asked for a page behind the end, which cannot be.
 */
function tellsOfPages(descriptor: number): boolean {
  const end = pagesUpTo(fstatSync(descriptor).size) * FILE_PAGE;
  const address = mapToRead(descriptor, end, FILE_PAGE);
  if (address < 0) return false;
  const found = new Uint8Array(1);
  const isTold = isResident(address, FILE_PAGE, found) && (found[0]! & 1) === 0;
  munmap(address, FILE_PAGE);
  return isTold;
}

function pagesUpTo(bytes: number): number {
  return Math.ceil(bytes / FILE_PAGE);
}
