import type { ReadableFile } from '../../host/open-file.js';
import { malformed } from '../refusal.js';
import { entryOffset, isCopied, OFFSET_MAX } from './entries.js';
import { geometryOf, type QcowLayout } from './layout.js';
import type { Snapshot } from './snapshots.js';

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
  const view = new DataView(bytes.buffer);
  const table = new Float64Array(entries);
  for (let i = 0; i < entries; i++) {
    const offset = entryOffset(view.getUint32(i * 8), view.getUint32(i * 8 + 4));
    table[i] = offset % layout.clusterBytes === 0 && offset <= OFFSET_MAX ? offset : L1_BROKEN;
  }
  return table;
}

/** A table of offsets, and which of its entries have the copied bit (1). */
export interface OffsetTable {
  offsets: Float64Array;
  copied: Uint8Array;
}

/** Reads the whole L1 table of a disk. @throws SluiceError exit code 3 for a broken entry */
export function readWholeL1(
  source: ReadableFile,
  { clusterBytes }: QcowLayout,
  { l1Offset, l1Entries }: Pick<QcowLayout, 'l1Offset' | 'l1Entries'>,
): OffsetTable {
  return readOffsets(source, clusterBytes, l1Offset, l1Entries, 'L1 entry');
}

/** Reads the offsets of the refcount blocks, 0 for none. @throws SluiceError exit code 3 */
export function readRefcountTable(source: ReadableFile, layout: QcowLayout): Float64Array {
  const { clusterBytes, refcountTableOffset: at, refcountTableClusters } = layout;
  const entries = (refcountTableClusters * clusterBytes) / 8;
  return readOffsets(source, clusterBytes, at, entries, 'refcount table entry').offsets;
}

/** Each offset must be that of a cluster in the file, or 0. */
function readOffsets(
  source: ReadableFile,
  clusterBytes: number,
  at: number,
  entries: number,
  what: string,
): OffsetTable {
  const view = new DataView(source.read(at, entries * 8).buffer);
  const offsets = new Float64Array(entries);
  const copied = new Uint8Array(entries);
  for (let i = 0; i < entries; i++) {
    const high = view.getUint32(i * 8);
    const offset = entryOffset(high, view.getUint32(i * 8 + 4));
    if (offset % clusterBytes !== 0 || offset >= source.size) {
      throw malformed(source.path, `${what} ${i} is broken`);
    }
    offsets[i] = offset;
    copied[i] = isCopied(high) ? 1 : 0;
  }
  return { offsets, copied };
}

/** A range of the file that holds metadata and nothing else, bytes. */
export interface Region {
  offset: number;
  bytes: number;
}

/** All metadata of an image but its L2 tables: header, L1 tables, refcounts, snapshot table. */
export function metadataRegions(
  layout: QcowLayout,
  snapshots: readonly Snapshot[],
  refcountTable: Float64Array,
): Region[] {
  const { clusterBytes } = layout;
  const blocks = Array.from(refcountTable.filter((at) => at !== 0));
  const listed = snapshots.reduce((sum, { entryBytes }) => sum + entryBytes, 0);
  return [
    { offset: 0, bytes: clusterBytes },
    { offset: layout.refcountTableOffset, bytes: layout.refcountTableClusters * clusterBytes },
    ...blocks.map((offset) => ({ offset, bytes: clusterBytes })),
    ...[layout, ...snapshots].map((one) => ({ offset: one.l1Offset, bytes: one.l1Entries * 8 })),
    ...(listed > 0 ? [{ offset: layout.snapshotsOffset, bytes: listed }] : []),
  ];
}
