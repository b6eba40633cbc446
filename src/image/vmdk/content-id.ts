import { randomInt } from 'node:crypto';
import type { Engine, Task } from '../../host/engine.js';
import { mapAnonymous } from '../../sys/memory.js';
import { ERRNO } from '../../util/errno.js';

/** A new content ID and its place in the file of the descriptor. Plain data. */
export interface NewContentId {
  /** Bytes. */
  readonly offset: number;
  /** As long as the old one. */
  readonly text: string;
}

/** Blocks of direct I/O are no larger; the text may lie in two. */
const ROOM_BYTES = 2 * 4096;
/** These stand for no parent and for an ID that is told elsewhere. */
const RESERVED = 2;

/**
 * Finds the content ID of a descriptor, and a new one for it. Null if there is none.
 *
 * @param at Offset of the descriptor in its file, bytes.
 */
export function renewed(descriptor: Uint8Array, at: number): NewContentId | null {
  const text = Buffer.from(descriptor).toString('latin1');
  const found = /^([ \t]*CID[ \t]*=[ \t]*"?)([0-9a-fA-F]{1,8})/m.exec(text);
  if (found === null) return null;
  const [, before, old] = found as unknown as [string, string, string];
  const values = 2 ** (4 * old.length) - RESERVED;
  // Any but the old one.
  const value = (Number.parseInt(old, 16) + 1 + randomInt(values - 1)) % values;
  const offset = at + found.index + before.length;
  return { offset, text: value.toString(16).padStart(old.length, '0') };
}

/**
 * Writes a new content ID and puts it on the disk: disks that were made over this one must notice that it
 * has changed. 0 or -errno.
 *
 * @param file The engine's handle of the file with the descriptor.
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
  const { address, buffer } = mapAnonymous(ROOM_BYTES);
  const from = offset - (offset % alignment);
  const end = offset + text.length;
  const length = Math.ceil((end - from) / alignment) * alignment;
  const got = yield engine.read(request, file, address, length, from, false);
  if (got < 0) return got;
  if (got < end - from) return -ERRNO.EIO;
  new Uint8Array(buffer).set(Buffer.from(text, 'latin1'), offset - from);
  const written = yield engine.write(request, file, address, length, from, false);
  if (written < length) return written < 0 ? written : -ERRNO.EIO;
  const cut = from + length > hostSize ? yield engine.resize(request, file, hostSize) : 0;
  return cut < 0 ? cut : yield engine.flush(request, file, true);
}
