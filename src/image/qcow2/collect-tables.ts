import type { ReadableFile } from '../../host/open-file.js';
import { malformed, unsupported } from '../refusal.js';
import { entryOffset, isCopied, OFFSET_MAX } from './entries.js';
import type { QcowLayout } from './layout.js';
import type { Snapshot } from './snapshots.js';

/** A range of the file that holds metadata and nothing else, bytes. */
export interface Region {
  offset: number;
  bytes: number;
}

/** The tables of an image, active disk and snapshots alike. Offsets in bytes. */
export interface Tables {
  /** Header, L1 tables, snapshots, refcount table and blocks. */
  regions: Region[];
  /** The active L1 table as on disk, and the offsets of the L2 tables in it. */
  activeL1: Uint8Array;
  active: ReadonlySet<number>;
  /** Offsets of all L2 tables, ascending, each once. */
  l2: Float64Array;
  /** For each of them, the number of L1 entries that refer to it. */
  l2Uses: Uint32Array;
  /** Offsets of refcount blocks, 0 for none. */
  refcountTable: Float64Array;
}

/** Largest number of L1 entries of an image, snapshots included: more would take too much memory. */
const L1_ENTRIES_MAX = 1 << 24;

/**
 * Reads all metadata of an image except the L2 tables themselves, and checks that all tables lie in
 * the file and do not overlap.
 *
 * @throws SluiceError exit code 3
 */
export function collectTables(
  path: string,
  source: ReadableFile,
  layout: QcowLayout,
  snapshots: readonly Snapshot[],
): Tables {
  const { clusterBytes } = layout;
  const disks = [layout, ...snapshots];
  const entries = disks.reduce((sum, { l1Entries }) => sum + l1Entries, 0);
  if (entries > L1_ENTRIES_MAX) throw unsupported(path, tooMuch('tables'));
  const refcountTable = readTable(path, source, layout);
  const regions: Region[] = [
    { offset: 0, bytes: clusterBytes },
    { offset: layout.refcountTableOffset, bytes: layout.refcountTableClusters * clusterBytes },
    ...Array.from(
      refcountTable.filter((at) => at !== 0),
      (offset) => ({ offset, bytes: clusterBytes }),
    ),
    ...disks.map(({ l1Offset, l1Entries }) => ({ offset: l1Offset, bytes: l1Entries * 8 })),
  ];
  const listed = snapshots.reduce((sum, { entryBytes }) => sum + entryBytes, 0);
  if (listed > 0) regions.push({ offset: layout.snapshotsOffset, bytes: listed });
  checkRegions(path, source, clusterBytes, regions);
  const activeL1 = source.read(layout.l1Offset, layout.l1Entries * 8);
  const all = new Float64Array(entries);
  let found = 0;
  let inActive = 0;
  for (const disk of disks) {
    const bytes = disk === layout ? activeL1 : source.read(disk.l1Offset, disk.l1Entries * 8);
    for (const offset of offsetsOf(path, source, clusterBytes, bytes)) all[found++] = offset;
    if (disk === layout) inActive = found;
  }
  const active = new Set(all.subarray(0, inActive));
  return { regions, activeL1, active, refcountTable, ...countUses(all.subarray(0, found)) };
}

/** The reason for refusing an image with too many tables. */
export function tooMuch(what: string): string {
  return `its ${what} are too many to rebuild the refcounts here; use qemu-img check -r all`;
}

function readTable(path: string, source: ReadableFile, layout: QcowLayout): Float64Array {
  const { clusterBytes, refcountTableClusters, refcountTableOffset } = layout;
  const bytes = source.read(refcountTableOffset, refcountTableClusters * clusterBytes);
  const view = new DataView(bytes.buffer);
  const table = new Float64Array(bytes.length / 8);
  for (let i = 0; i < table.length; i++) {
    table[i] = entryOffset(view.getUint32(i * 8), view.getUint32(i * 8 + 4));
    if (table[i]! % clusterBytes !== 0) {
      throw malformed(path, `refcount table entry ${i} is broken`);
    }
  }
  return table;
}

function checkRegions(
  path: string,
  source: ReadableFile,
  clusterBytes: number,
  regions: readonly Region[],
): void {
  let end = 0;
  for (const { offset, bytes } of [...regions].sort((a, b) => a.offset - b.offset)) {
    if (bytes === 0) continue;
    if (offset < end) throw malformed(path, `its metadata overlaps at ${offset}`);
    end = offset + Math.ceil(bytes / clusterBytes) * clusterBytes;
    if (offset + bytes > Math.ceil(source.size / clusterBytes) * clusterBytes) {
      throw malformed(path, `its metadata at ${offset} lies behind the end of the file`);
    }
  }
}

/** The nonzero offsets in an L1 table. */
function* offsetsOf(
  path: string,
  source: ReadableFile,
  clusterBytes: number,
  bytes: Uint8Array,
): Generator<number> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at < bytes.length; at += 8) {
    const offset = entryOffset(view.getUint32(at), view.getUint32(at + 4));
    if (offset === 0) continue;
    const sane = offset % clusterBytes === 0 && offset <= OFFSET_MAX && offset < source.size;
    if (!sane) throw malformed(path, `L1 entry ${at / 8} is broken`);
    yield offset;
  }
}

function countUses(offsets: Float64Array): { l2: Float64Array; l2Uses: Uint32Array } {
  offsets.sort();
  const l2Uses = new Uint32Array(offsets.length);
  let kept = 0;
  for (const offset of offsets) {
    if (kept === 0 || offsets[kept - 1] !== offset) offsets[kept++] = offset;
    l2Uses[kept - 1]!++;
  }
  return { l2: offsets.subarray(0, kept), l2Uses: l2Uses.subarray(0, kept) };
}

/** Sets the copied bit of each entry of an L1 table according to `owned`. True if a bit changed. */
export function correctCopied(
  table: DataView,
  entryBytes: number,
  owned: (offset: number) => boolean | undefined,
): boolean {
  let changed = false;
  for (let at = 0; at < table.byteLength; at += entryBytes) {
    const high = table.getUint32(at);
    const offset = entryOffset(high, table.getUint32(at + 4));
    if ((high & 0x40000000) !== 0 || offset === 0) continue;
    const own = owned(offset);
    if (own === undefined || own === isCopied(high)) continue;
    table.setUint32(at, ((high & 0x7fffffff) | (own ? 0x80000000 : 0)) >>> 0);
    changed = true;
  }
  return changed;
}
