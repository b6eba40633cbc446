import * as nbd from './protocol.js';

/** Bytes of a request's header. */
export function requestBytes(extended: boolean): number {
  return extended ? nbd.EXTENDED_REQUEST_BYTES : nbd.REQUEST_BYTES;
}

/**
 * Writes a request's header. Its cookie, which comes back with the replies, is two numbers of 32 bits.
 *
 * @param at Where in `view`.
 * @param length Bytes of the range; below 2^32 unless `extended`.
 */
export function encodeRequest(
  view: DataView,
  at: number,
  extended: boolean,
  command: number,
  flags: number,
  index: number,
  generation: number,
  offset: number,
  length: number,
): void {
  const isPayload = extended && command === nbd.CMD_WRITE;
  view.setUint32(at, extended ? nbd.EXTENDED_REQUEST_MAGIC : nbd.REQUEST_MAGIC);
  view.setUint16(at + 4, isPayload ? flags | nbd.CMD_FLAG_PAYLOAD_LEN : flags);
  view.setUint16(at + 6, command);
  view.setUint32(at + 8, generation);
  view.setUint32(at + 12, index);
  view.setUint32(at + 16, offset / 4294967296);
  view.setUint32(at + 20, offset >>> 0);
  if (extended) view.setUint32(at + 24, length / 4294967296);
  view.setUint32(at + (extended ? 28 : 24), length >>> 0);
}
