import type { ReadableFile } from '../../host/open-file.js';
import { malformed, unsupported } from '../refusal.js';
import { entryOffset, isCopied } from './entries.js';
import type { QcowLayout } from './layout.js';
import type { Snapshot } from './snapshots.js';
import { metadataRegions, type Region, readRefcountTable, readWholeL1 } from './tables.js';

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
  source: ReadableFile,
  layout: QcowLayout,
  snapshots: readonly Snapshot[],
): Tables {
  const { clusterBytes } = layout;
  const disks = [layout, ...snapshots];
  const entries = disks.reduce((sum, { l1Entries }) => sum + l1Entries, 0);
  if (entries > L1_ENTRIES_MAX) throw unsupported(source.path, tooMuch('tables'));
  const refcountTable = readRefcountTable(source, layout);
  const regions = metadataRegions(layout, snapshots, refcountTable);
  checkRegions(source, clusterBytes, regions);
  const all = new Float64Array(entries);
  let found = 0;
  let inActive = 0;
  for (const disk of disks) {
    const { offsets } = readWholeL1(source, layout, disk);
    for (const offset of offsets) if (offset !== 0) all[found++] = offset;
    if (disk === layout) inActive = found;
  }
  const activeL1 = source.read(layout.l1Offset, layout.l1Entries * 8);
  const active = new Set(all.subarray(0, inActive));
  return { regions, activeL1, active, refcountTable, ...countUses(all.subarray(0, found)) };
}

/** The reason for refusing an image with too many tables. */
export function tooMuch(what: string): string {
  return `its ${what} are too many to rebuild the refcounts here; use qemu-img check -r all`;
}

function checkRegions(
  source: ReadableFile,
  clusterBytes: number,
  regions: readonly Region[],
): void {
  let end = 0;
  for (const { offset, bytes } of [...regions].sort((a, b) => a.offset - b.offset)) {
    if (bytes === 0) continue;
    if (offset < end) throw malformed(source.path, `its metadata overlaps at ${offset}`);
    end = offset + Math.ceil(bytes / clusterBytes) * clusterBytes;
    if (offset + bytes > Math.ceil(source.size / clusterBytes) * clusterBytes) {
      throw malformed(source.path, `its metadata at ${offset} lies behind the end of the file`);
    }
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
