import * as nbd from '../../src/nbd/protocol.js';
import type { Random } from '../exerciser/random.js';
import { takeForSession } from './spare-memory.js';

// What a server answers, as bytes. Written from the text of the protocol, not with the code of src/nbd/.

const ZERO_BLOCK = 4096;

/** How a server answers. */
export interface Dialect {
  structured: boolean;
  extended: boolean;
}

/** A request as it came. */
export interface NbdRequest {
  command: number;
  flags: number;
  /** 8 bytes. */
  cookie: Uint8Array;
  offset: number;
  length: number;
}

function buffer(bytes: number): DataView {
  const { buffer: all, byteOffset, length } = takeForSession(bytes);
  return new DataView(all, byteOffset, length);
}

function bytesOf(view: DataView): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

function setNumber(view: DataView, at: number, value: number): void {
  view.setUint32(at, Math.floor(value / 2 ** 32));
  view.setUint32(at + 4, value % 2 ** 32);
}

/** One chunk of a structured reply. @param fill Writes its payload from a place on. */
function chunk(
  { extended }: Dialect,
  { cookie, offset }: NbdRequest,
  type: number,
  isLast: boolean,
  length: number,
  fill: (view: DataView, at: number) => void,
): Uint8Array {
  const header = extended ? nbd.EXTENDED_CHUNK_BYTES : nbd.CHUNK_BYTES;
  const view = buffer(header + length);
  view.setUint32(0, extended ? nbd.EXTENDED_CHUNK_MAGIC : nbd.CHUNK_MAGIC);
  view.setUint16(4, isLast ? nbd.CHUNK_FLAG_DONE : 0);
  view.setUint16(6, type);
  bytesOf(view).set(cookie, 8);
  if (extended) {
    setNumber(view, 16, offset);
    setNumber(view, 24, length);
  } else view.setUint32(16, length);
  fill(view, header);
  return bytesOf(view);
}

/** An answer without data. @param error 0, or a number of the protocol. */
export function answer(
  dialect: Dialect,
  request: NbdRequest,
  error: number,
  random: Random,
): Uint8Array {
  // A simple reply is allowed beside structured ones, but not to these, nor with extended headers.
  const isStructured = [nbd.CMD_READ, nbd.CMD_BLOCK_STATUS].includes(request.command);
  const mayBeSimple = !dialect.extended && !isStructured;
  if (!dialect.structured || (mayBeSimple && random.oneIn(2))) {
    const view = buffer(nbd.SIMPLE_REPLY_BYTES);
    view.setUint32(0, nbd.SIMPLE_REPLY_MAGIC);
    view.setUint32(4, error);
    bytesOf(view).set(request.cookie, 8);
    return bytesOf(view);
  }
  if (error === 0) return chunk(dialect, request, nbd.CHUNK_NONE, true, 0, () => {});
  const words = random.below(40);
  return chunk(dialect, request, nbd.CHUNK_ERROR + 1, true, 6 + words, (view, at) => {
    view.setUint32(at, error);
    view.setUint16(at + 4, words);
    bytesOf(view).fill(0x61, at + 6);
  });
}

/** The data of a READ: in one piece, or in pieces of any order, some of which are holes. */
export function dataReply(
  dialect: Dialect,
  request: NbdRequest,
  bytes: Uint8Array,
  random: Random,
): Uint8Array[] {
  if (!dialect.structured) return [answer(dialect, request, 0, random), bytes];
  const pieces: { from: number; to: number }[] = [];
  for (let from = 0; from < bytes.length; ) {
    const rest = bytes.length - from;
    const length = random.oneIn(2) ? rest : 1 + random.below(rest);
    pieces.push({ from, to: from + length });
    from += length;
  }
  for (let at = pieces.length - 1; at > 0; at--) {
    const other = random.below(at + 1);
    [pieces[at], pieces[other]] = [pieces[other]!, pieces[at]!];
  }
  const isDoneAlone = random.oneIn(4);
  const chunks = pieces.map(({ from, to }, index) => {
    const isLast = !isDoneAlone && index === pieces.length - 1;
    const part = bytes.subarray(from, to);
    if (part.every((byte) => byte === 0) && random.oneIn(2)) {
      return chunk(dialect, request, nbd.CHUNK_HOLE, isLast, 12, (view, at) => {
        setNumber(view, at, request.offset + from);
        view.setUint32(at + 8, to - from);
      });
    }
    return chunk(dialect, request, nbd.CHUNK_DATA, isLast, 8 + to - from, (view, at) => {
      setNumber(view, at, request.offset + from);
      bytesOf(view).set(part, at + 8);
    });
  });
  if (isDoneAlone) chunks.push(chunk(dialect, request, nbd.CHUNK_NONE, true, 0, () => {}));
  return chunks;
}

/** Block status: some ranges from the beginning of the request on, as many as the server likes. */
export function statusReply(
  dialect: Dialect,
  request: NbdRequest,
  bytes: Uint8Array,
  random: Random,
): Uint8Array {
  const ranges: { length: number; isZero: boolean }[] = [];
  for (let from = 0; from < bytes.length; from += ZERO_BLOCK) {
    const block = bytes.subarray(from, from + ZERO_BLOCK);
    const isZero = block.every((byte) => byte === 0);
    const last = ranges.at(-1);
    if (last?.isZero === isZero) last.length += block.length;
    else if (last !== undefined && random.oneIn(3)) break;
    else ranges.push({ length: block.length, isZero });
  }
  const { extended } = dialect;
  const each = extended ? 16 : 8;
  const head = extended ? 8 : 4;
  const type = extended ? nbd.CHUNK_STATUS_EXT : nbd.CHUNK_STATUS;
  return chunk(dialect, request, type, true, head + each * ranges.length, (view, at) => {
    view.setUint32(at, 1);
    if (extended) view.setUint32(at + 4, ranges.length);
    for (const [index, { length, isZero }] of ranges.entries()) {
      const place = at + head + each * index;
      const flags = isZero ? nbd.STATE_ZERO | random.below(2) : 0;
      if (extended) {
        setNumber(view, place, length);
        setNumber(view, place + 8, flags);
      } else {
        view.setUint32(place, length);
        view.setUint32(place + 4, flags);
      }
    }
  });
}
