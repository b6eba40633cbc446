import type { ReadableFile } from '../../host/open-file.js';
import { SE_HAS_TABLE, VMDK_SECTOR_BYTES } from './abi.js';
import { type SparseLayout, tableCount } from './sparse-header.js';

/** In a directory: no grain of the table is allocated. */
export const NO_TABLE = 0;
/** In a directory: the entry is none, or leads past the end of the file. */
export const BROKEN_TABLE = 0xffffffff;

/**
 * Reads the grain directory of a sparse extent: the sectors where its tables begin, NO_TABLE or
 * BROKEN_TABLE. A broken entry costs the range of its table only.
 */
export function readDirectory(file: ReadableFile, layout: SparseLayout): Uint32Array {
  const { capacity, grainBytes, entriesPerTable, entryBytes, directory } = layout;
  const count = tableCount(layout);
  const bytes = file.read(directory, count * entryBytes);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const grains = Math.ceil(capacity / grainBytes);
  const tables = new Uint32Array(count);
  for (let index = 0; index < count; index++) {
    const sector = sectorOf(view, index, layout);
    // A writer may leave out what the last table has no use for.
    const entries = Math.min(entriesPerTable, grains - index * entriesPerTable);
    const end = sector * VMDK_SECTOR_BYTES + entries * entryBytes;
    tables[index] = sector !== NO_TABLE && end > file.size ? BROKEN_TABLE : sector;
  }
  return tables;
}

function sectorOf(
  view: DataView,
  index: number,
  { type, tables, ...layout }: SparseLayout,
): number {
  const low = view.getUint32(index * layout.entryBytes, true);
  if (type !== 'seSparse') return low;
  const high = view.getUint32(index * layout.entryBytes + 4, true);
  if (low === 0 && high === 0) return NO_TABLE;
  const tableBytes = layout.entriesPerTable * layout.entryBytes;
  const sector = tables + (low * tableBytes) / VMDK_SECTOR_BYTES;
  return high !== SE_HAS_TABLE || sector === 0 || sector >= BROKEN_TABLE ? BROKEN_TABLE : sector;
}
