/** Fields of headers, as formats have them. */

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/**
 * A number of 64 bits. Above 2^53 - 1 it loses its low bits, but stays larger than every accepted size
 * and offset, so range checks still refuse it.
 */
export function u64(view: DataView, at: number, littleEndian: boolean): number {
  const high = view.getUint32(littleEndian ? at + 4 : at, littleEndian);
  return high * 2 ** 32 + view.getUint32(littleEndian ? at : at + 4, littleEndian);
}

/** The UUID of an image that has none. */
export const NO_UUID = '00000000-0000-0000-0000-000000000000';

/** A UUID as people write it. In little-endian ones the first three numbers are stored so (RFC 9562, 4). */
export function uuidAt(view: DataView, at: number, littleEndian: boolean): string {
  const hex = (value: number, digits: number): string => value.toString(16).padStart(digits, '0');
  const first = hex(view.getUint32(at, littleEndian), 8);
  const second = hex(view.getUint16(at + 4, littleEndian), 4);
  const third = hex(view.getUint16(at + 6, littleEndian), 4);
  const rest = hex(view.getUint16(at + 8), 4);
  const node = hex(view.getUint16(at + 10), 4) + hex(view.getUint32(at + 12), 8);
  return `${first}-${second}-${third}-${rest}-${node}`;
}
