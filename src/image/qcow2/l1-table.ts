import type { ReadableFile } from '../../host/open-file.js';
import { entryOffset, OFFSET_MAX } from './entries.js';
import { geometryOf, type QcowLayout } from './layout.js';

/** An invalid L1 entry: its L2 table does not begin at a cluster, or lies beyond 2^53. */
export const L1_BROKEN = -1;

/**
 * Reads an L1 table: the host offset of each L2 table, 0 for none, L1_BROKEN for an invalid entry. The
 * result has only entries that the disk needs and that lie in the file, so a header that claims a large
 * table takes no memory.
 */
export function readL1(source: ReadableFile, layout: QcowLayout): Float64Array {
  const needed = Math.ceil(layout.size / geometryOf(layout).l2Coverage);
  const inFile = Math.floor(Math.max(0, source.size - layout.l1Offset) / 8);
  const entries = Math.min(needed, layout.l1Entries, inFile);
  const bytes = source.read(layout.l1Offset, entries * 8);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const table = new Float64Array(entries);
  for (let i = 0; i < entries; i++) {
    const offset = entryOffset(view.getUint32(i * 8), view.getUint32(i * 8 + 4));
    table[i] = offset % layout.clusterBytes === 0 && offset <= OFFSET_MAX ? offset : L1_BROKEN;
  }
  return table;
}
