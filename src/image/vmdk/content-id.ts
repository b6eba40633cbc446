import { randomInt } from 'node:crypto';
import type { NewContentId } from '../content-id.js';

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
