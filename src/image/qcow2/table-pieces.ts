const COPIED_HIGH = 0x80000000;

/** One piece of a table of offsets in the form of the disk, with the copied bits if they are given. */
export function encodeTable(
  table: Float64Array,
  piece: number,
  pieceBytes: number,
  copied: Uint8Array | null,
): Uint8Array {
  const bytes = new Uint8Array(pieceBytes);
  const view = new DataView(bytes.buffer);
  const first = (piece * pieceBytes) / 8;
  for (let i = 0; i < pieceBytes / 8 && first + i < table.length; i++) {
    const offset = table[first + i]!;
    const flag = copied?.[first + i] === 1 && offset !== 0 ? COPIED_HIGH : 0;
    view.setUint32(i * 8, (flag | Math.floor(offset / 2 ** 32)) >>> 0);
    view.setUint32(i * 8 + 4, offset >>> 0);
  }
  return bytes;
}
