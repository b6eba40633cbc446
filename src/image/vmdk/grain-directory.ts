import type { HostFile } from '../../host/host-file.js';
import { runNow, SyncEngine } from '../../host/sync-engine.js';
import { DATA, newExtent, ZERO } from '../extent.js';
import { cutAtHole } from '../holes.js';
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
export function readDirectory(file: HostFile, layout: SparseLayout): Uint32Array {
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
  if (!file.blockDevice) leaveOutHoles(file, tables, entriesPerTable * entryBytes);
  return tables;
}

/**
 * Makes those tables NO_TABLE that lie in holes of the file. QEMU gives a disk all of its tables, and writes
 * those that it needs: else the first who seeks the data of a disk of 1 TiB would read 32768 tables of zeros.
 */
function leaveOutHoles(file: HostFile, tables: Uint32Array, tableBytes: number): void {
  const engine = new SyncEngine();
  const extent = {
    ...newExtent(),
    file: engine.add({ descriptor: file.descriptor, inMemory: false }),
  };
  let end = 0;
  for (const [index, sector] of tables.entries()) {
    if (sector === NO_TABLE || sector === BROKEN_TABLE) continue;
    const start = sector * VMDK_SECTOR_BYTES;
    if (start < extent.offset || start >= end) {
      extent.kind = DATA;
      extent.offset = start;
      extent.length = file.size - start;
      runNow(cutAtHole(engine, 0, extent));
      end = start + extent.length;
    }
    const tableEnd = Math.min(start + tableBytes, file.size);
    if (extent.kind === ZERO && tableEnd <= end) tables[index] = NO_TABLE;
  }
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
