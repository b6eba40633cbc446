import type { ReadableFile } from '../../host/open-file.js';
import { formatSize } from '../../util/units.js';
import { NO_UUID, u64, uuidAt, viewOf } from '../fields.js';
import { malformed, unsupported } from '../refusal.js';
import { isSound } from './crc32c.js';
import { MIB, signatureIs, type VhdxHeader } from './header.js';

// [MS-VHDX] 2.3: a ring of entries that change pages of the tables. Numbers are little-endian.

/** The log consists of sectors of this many bytes, and changes the file in whole ones. */
export const PAGE_BYTES = 4096;

/** Hyper-V makes logs of 1 MiB. */
const LOG_BYTES_MAX = 32 * MIB;
/** Entries overlap in a broken log only: then no more is read than so many times the log. */
const CHECKED_MAX = 3;

const ENTRY_HEADER_BYTES = 64;
const DESCRIPTOR_BYTES = 32;

/** An entry with a right checksum, of the header's log. */
interface Entry {
  /** Offset in the log. */
  at: number;
  bytes: Uint8Array;
  view: DataView;
  sequence: bigint;
  /** Offset in the log of the oldest entry that must be replayed with it. */
  tail: number;
}

/** The pages that a log changes, by their offsets in the file. Plain data. */
export type Pages = ReadonlyMap<number, Uint8Array>;

/** A log, replayed in memory. */
export interface Replay {
  pages: Pages;
  /** Entries that were replayed. */
  entries: number;
  /** Size that the file has at least when they are written, bytes. */
  fileBytes: number;
  /** The header says that there is a log, and no entry is right. */
  isLost: boolean;
}

/**
 * Finds the active sequence of the log and replays it, into memory alone.
 *
 * @throws SluiceError exit code 3: EINVAL for a log that cannot be right, ENOTSUP for one that is too large
 */
export function replayLog(file: ReadableFile, header: VhdxHeader): Replay {
  const none = { pages: new Map(), entries: 0, fileBytes: file.size, isLost: false };
  if (header.logId === NO_UUID) return none;
  const { logOffset, logBytes } = header;
  if (logBytes === 0 || logBytes % MIB !== 0 || logOffset < MIB || logOffset % MIB !== 0) {
    throw malformed(file.path, 'its log does not begin and end at a MiB');
  }
  if (logBytes > LOG_BYTES_MAX) {
    throw unsupported(file.path, `its log of ${formatSize(logBytes)} is above 32 MiB`);
  }
  const active = new LogReader(file, header).activeSequence();
  const last = active.at(-1);
  if (last === undefined) return { ...none, isLost: true };
  if (u64(last.view, 48, true) > file.size) throw malformed(file.path, 'it is cut off');
  const pages = new Map<number, Uint8Array>();
  for (const entry of active) replayEntry(file.path, entry, pages);
  const fileBytes = Math.max(file.size, u64(last.view, 56, true));
  return { pages, entries: active.length, fileBytes, isLost: false };
}

class LogReader {
  readonly #path: string;
  readonly #log: Uint8Array;
  readonly #id: string;
  readonly #entries = new Map<number, Entry | null>();
  /** Bytes whose checksum may still be computed. */
  #budget: number;

  constructor(file: ReadableFile, { logOffset, logBytes, logId }: VhdxHeader) {
    this.#path = file.path;
    this.#log = file.read(logOffset, logBytes);
    this.#id = logId;
    this.#budget = CHECKED_MAX * logBytes;
  }

  /** The newest entries that follow each other and reach back to the tail of the last one. */
  activeSequence(): Entry[] {
    let best: Entry[] = [];
    for (let at = 0; at < this.#log.length; at += PAGE_BYTES) {
      const first = this.#entryAt(at);
      // The middle of a sequence is found from its beginning, which has the entries behind it too.
      if (first === null || this.#isContinued(first)) continue;
      const sequence = this.#sequenceFrom(first);
      const newest = sequence.at(-1)!;
      const from = sequence.findIndex((entry) => entry.at === newest.tail);
      const isNewer = best.length === 0 || newest.sequence > best.at(-1)!.sequence;
      if (from >= 0 && isNewer) best = sequence.slice(from);
    }
    return best;
  }

  readonly #followers = new Set<number>();

  #isContinued({ at }: Entry): boolean {
    return this.#followers.has(at);
  }

  #sequenceFrom(first: Entry): Entry[] {
    const sequence = [first];
    for (let last = first, bytes = first.bytes.length; ; ) {
      const at = (last.at + last.bytes.length) % this.#log.length;
      const next = this.#entryAt(at);
      if (next === null || next.sequence !== last.sequence + 1n) return sequence;
      bytes += next.bytes.length;
      if (bytes > this.#log.length) return sequence;
      this.#followers.add(at);
      sequence.push(next);
      last = next;
    }
  }

  #entryAt(at: number): Entry | null {
    let entry = this.#entries.get(at);
    if (entry === undefined) {
      entry = this.#readEntry(at);
      this.#entries.set(at, entry);
    }
    return entry;
  }

  #readEntry(at: number): Entry | null {
    const head = viewOf(this.#log.subarray(at, at + ENTRY_HEADER_BYTES));
    if (!signatureIs(this.#log, at, 'loge') || uuidAt(head, 32, true) !== this.#id) return null;
    const length = head.getUint32(8, true);
    const tail = head.getUint32(12, true);
    const sequence = head.getBigUint64(16, true);
    if (length === 0 || length % PAGE_BYTES !== 0 || length > this.#log.length) return null;
    if (tail % PAGE_BYTES !== 0 || tail >= this.#log.length || sequence === 0n) return null;
    this.#budget -= length;
    if (this.#budget < 0) throw malformed(this.#path, 'the entries of its log overlap');
    const bytes = this.#ring(at, length);
    return isSound(bytes) ? { at, bytes, view: viewOf(bytes), sequence, tail } : null;
  }

  /** A part of the log, which may go on at its beginning. */
  #ring(at: number, length: number): Uint8Array {
    const rest = this.#log.length - at;
    if (length <= rest) return this.#log.subarray(at, at + length);
    return Buffer.concat([this.#log.subarray(at), this.#log.subarray(0, length - rest)]);
  }
}

/** Makes the changes of an entry. Zeroed pages are one and the same array. */
function replayEntry(path: string, entry: Entry, pages: Map<number, Uint8Array>): void {
  const { bytes, view, sequence } = entry;
  const count = view.getUint32(24, true);
  const firstData =
    Math.ceil((ENTRY_HEADER_BYTES + count * DESCRIPTOR_BYTES) / PAGE_BYTES) * PAGE_BYTES;
  if (firstData > bytes.length) throw broken(path);
  let data = firstData;
  for (let index = 0; index < count; index++) {
    const at = ENTRY_HEADER_BYTES + index * DESCRIPTOR_BYTES;
    const offset = u64(view, at + 16, true);
    if (view.getBigUint64(at + 24, true) !== sequence || offset % PAGE_BYTES !== 0) {
      throw broken(path);
    }
    if (signatureIs(bytes, at, 'zero')) {
      const length = u64(view, at + 8, true);
      if (length % PAGE_BYTES !== 0 || length > LOG_BYTES_MAX) throw broken(path);
      for (let done = 0; done < length; done += PAGE_BYTES) pages.set(offset + done, ZERO_PAGE);
    } else if (signatureIs(bytes, at, 'desc') && data + PAGE_BYTES <= bytes.length) {
      pages.set(offset, pageOf(path, bytes, view, at, data, sequence));
      data += PAGE_BYTES;
    } else throw broken(path);
    if (pages.size > LOG_BYTES_MAX / PAGE_BYTES) {
      throw unsupported(path, 'its log changes more than 32 MiB of tables');
    }
  }
}

const ZERO_PAGE = new Uint8Array(PAGE_BYTES);

/** A page: its first 8 and last 4 bytes are in the descriptor, where the log has its own numbers. */
function pageOf(
  path: string,
  bytes: Uint8Array,
  view: DataView,
  descriptor: number,
  data: number,
  sequence: bigint,
): Uint8Array {
  const high = view.getUint32(data + 4, true);
  const low = view.getUint32(data + PAGE_BYTES - 4, true);
  const isWhole = (BigInt(high) << 32n) + BigInt(low) === sequence;
  if (!signatureIs(bytes, data, 'data') || !isWhole) throw broken(path);
  // A copy of its own: the entry is dropped, and the page goes to another thread.
  const page = new Uint8Array(bytes.subarray(data, data + PAGE_BYTES));
  page.set(bytes.subarray(descriptor + 8, descriptor + 16), 0);
  page.set(bytes.subarray(descriptor + 4, descriptor + 8), PAGE_BYTES - 4);
  return page;
}

function broken(path: string): Error {
  return malformed(path, 'an entry of its log has a right checksum and makes no sense');
}

/** A file as it is when the log is replayed. */
export function replayed(file: ReadableFile, { pages, fileBytes }: Replay): ReadableFile {
  return {
    path: file.path,
    size: fileBytes,
    read: (offset, length) => {
      const bytes = file.read(offset, length);
      patch(pages, offset, bytes);
      return bytes;
    },
  };
}

/** Puts the pages of a log into bytes that were read from `offset` of the file. */
export function patch(pages: Pages, offset: number, bytes: Uint8Array): void {
  if (pages.size === 0) return;
  const first = offset - (offset % PAGE_BYTES);
  for (let at = first; at < offset + bytes.length; at += PAGE_BYTES) {
    const page = pages.get(at);
    if (page === undefined) continue;
    const from = Math.max(at, offset);
    const to = Math.min(at + PAGE_BYTES, offset + bytes.length);
    bytes.set(page.subarray(from - at, to - at), from - offset);
  }
}
