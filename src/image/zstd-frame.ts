const MAGIC = 0xfd2fb528;
const BLOCK_HEADER_BYTES = 3;
const RLE_BLOCK = 1;
/** Bytes of the dictionary ID, by the two low bits of the frame descriptor. */
const DICTIONARY_BYTES = [0, 1, 2, 4] as const;

/**
 * Length of the Zstandard frame that `bytes` begin with, RFC 8878 section 3.1.1. A qcow2 cluster is one
 * frame followed by noise up to the end of a sector, and a decoder wants the frame alone.
 *
 * @throws Error if they are no frame, or the frame is cut off
 */
export function zstdFrameBytes(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(0, true) !== MAGIC) throw new Error('not a Zstandard frame');
  const descriptor = view.getUint8(4);
  const isSingle = (descriptor & 0x20) !== 0;
  const sizeFlag = descriptor >>> 6;
  const sizeBytes = sizeFlag === 0 ? (isSingle ? 1 : 0) : 1 << sizeFlag;
  let at = 5 + (isSingle ? 0 : 1) + DICTIONARY_BYTES[descriptor & 3]! + sizeBytes;
  for (let isLast = false; !isLast; ) {
    const header = view.getUint16(at, true) | (view.getUint8(at + 2) << 16);
    isLast = (header & 1) !== 0;
    const length = ((header >>> 1) & 3) === RLE_BLOCK ? 1 : header >>> 3;
    at += BLOCK_HEADER_BYTES + length;
  }
  const end = at + ((descriptor & 4) !== 0 ? 4 : 0);
  if (end > bytes.length) throw new Error('the Zstandard frame is cut off');
  return end;
}
