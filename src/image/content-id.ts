import type { Engine, Task } from '../host/engine.js';
import { readAll, writeAll } from '../host/transfer-all.js';
import { type Mapping, mapAnonymous, unmap } from '../sys/memory.js';
import { ERRNO } from '../util/errno.js';

/** A new content ID of an image, and its place in the file. Plain data. */
export interface NewContentId {
  /** Bytes. */
  readonly offset: number;
  /** As long as the old one, in latin1. */
  readonly text: string;
}

/** Blocks of direct I/O are no larger; the text may lie in two. */
const ROOM_BYTES = 2 * 4096;

/**
 * Writes a new content ID and puts it on the disk: images that were made over this one must notice that it
 * has changed. 0 or -errno.
 *
 * @param file The engine's handle of the file that has it.
 * @param hostSize Its size, which stays, bytes.
 * @param alignment Of I/O, bytes.
 */
export function* writeContentId(
  request: number,
  engine: Engine,
  file: number,
  hostSize: number,
  alignment: number,
  { offset, text }: NewContentId,
): Task {
  const room = mapAnonymous(ROOM_BYTES);
  try {
    return yield* writeIn(room, request, engine, file, hostSize, alignment, { offset, text });
  } finally {
    unmap(room);
  }
}

function* writeIn(
  { address, buffer }: Mapping,
  request: number,
  engine: Engine,
  file: number,
  hostSize: number,
  alignment: number,
  { offset, text }: NewContentId,
): Task {
  const from = offset - (offset % alignment);
  const end = offset + text.length;
  const length = Math.ceil((end - from) / alignment) * alignment;
  const got = yield* readAll(engine, request, file, address, length, from);
  if (got < 0) return got;
  if (got < end - from) return -ERRNO.EIO;
  new Uint8Array(buffer).set(Buffer.from(text, 'latin1'), offset - from);
  const written = yield* writeAll(engine, request, file, address, length, from);
  if (written < 0) return written;
  const cut = from + length > hostSize ? yield engine.resize(request, file, hostSize) : 0;
  return cut < 0 ? cut : yield engine.flush(request, file, true);
}
