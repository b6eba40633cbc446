import type { WritableFile } from '../../host/open-file.js';
import { unsupported } from '../refusal.js';
import { REFCOUNT_TABLE_BYTES_MAX } from './abi.js';
import { collectTables, correctCopied, type Tables, tooMuch } from './collect-tables.js';
import { ReferenceCounter, type Window } from './count-references.js';
import { encodeTable } from './entries.js';
import { HeaderBlock } from './header-block.js';
import { geometryOf, type QcowLayout, refcountsPerBlock } from './layout.js';
import { setRefcount } from './refcounts.js';
import type { Snapshot } from './snapshots.js';

/**
 * Clusters counted at once, with 5 bytes each: 1 TiB of 64 KiB clusters. A larger file takes further
 * passes over the tables.
 */
const WINDOW_CLUSTERS = 1 << 24;

/** The places of the new refcounts. */
interface Placement {
  /** Offsets of refcount blocks, 0 for none. */
  table: Float64Array;
  tableOffset: number;
  tableClusters: number;
  moved: boolean;
  /** Clusters from here to `end` are new: refcount blocks, and the table if it has moved. */
  begin: number;
  end: number;
}

/**
 * New refcount blocks may take this many bytes plus as many as the file occupies on the host. So the
 * holes of a sparse file do not make the repair write without bound.
 */
const BLOCK_BYTES_FREE = 64 << 20;

/**
 * Rebuilds the refcounts of an image from its tables, corrects the copied bits, and then clears the
 * dirty bit. After a crash at any moment the bit is still set and the tables are intact. All metadata
 * is checked before anything is written.
 *
 * @param windowClusters Clusters counted at once, a multiple of those of a refcount block.
 * @returns A generator that yields the progress, 0 to 1, and returns the new layout.
 * @throws SluiceError exit code 3
 */
export function* rebuildRefcounts(
  file: WritableFile,
  layout: QcowLayout,
  snapshots: readonly Snapshot[],
  windowClusters = WINDOW_CLUSTERS,
): Generator<number, QcowLayout> {
  const tables = collectTables(file, layout, snapshots);
  const counter = new ReferenceCounter(file, layout, tables, windowClusters);
  const windows = yield* drain(counter.usedWindows(), tables, 0, 0.2);
  const missing = new Set<number>();
  let window: Window | null = null;
  for (const [i, number] of windows.entries()) {
    const share = 0.4 / windows.length;
    window = yield* drain(counter.count(number), tables, 0.2 + i * share, share);
    findMissing(layout, tables, window, missing);
  }
  const placement = place(file, layout, tables, counter.clusters, missing);
  const l1 = new DataView(tables.activeL1.buffer);
  const last = Math.floor((placement.end - 1) / windowClusters);
  if (placement.end > placement.begin && !windows.includes(last)) windows.push(last);
  for (const [i, number] of windows.entries()) {
    const share = 0.4 / windows.length;
    if (windows.length > 1) {
      window = yield* drain(counter.count(number), tables, 0.6 + i * share, share);
    }
    correctMarks(file, layout, tables, l1, window!);
    writeBlocks(file, layout, window!, windowClusters, placement);
    yield 0.6 + (i + 1) * share;
  }
  file.write(layout.l1Offset, tables.activeL1);
  return finish(file, layout, placement);
}

/** Runs a long count to its end; each step is one L2 table. */
function* drain<T>(
  steps: Generator<void, T>,
  tables: Tables,
  from: number,
  share: number,
): Generator<number, T> {
  let done = 0;
  for (let step = steps.next(); ; step = steps.next()) {
    if (step.done === true) return step.value;
    done++;
    yield from + (share * done) / tables.l2.length;
  }
}

/** Adds the numbers of needed blocks that do not exist. */
function findMissing(
  layout: QcowLayout,
  { refcountTable }: Tables,
  { first, counts }: Window,
  missing: Set<number>,
): void {
  const perBlock = refcountsPerBlock(layout);
  for (let at = 0; at < counts.length; at += perBlock) {
    const index = (first + at) / perBlock;
    if (index < refcountTable.length && refcountTable[index] !== 0) continue;
    if (counts.subarray(at, at + perBlock).some((count) => count !== 0)) missing.add(index);
  }
}

/** Places the missing blocks, and a larger table if it is needed, past the end of the file. */
function place(
  file: WritableFile,
  layout: QcowLayout,
  { refcountTable }: Tables,
  begin: number,
  missing: Set<number>,
): Placement {
  const { clusterBytes, refcountTableOffset: oldOffset, refcountTableClusters: old } = layout;
  const perBlock = refcountsPerBlock(layout);
  const perTable = clusterBytes / 8;
  let clusters = old;
  let end = begin;
  // New clusters need blocks too: repeat until none is missing.
  for (let known = -1; known !== missing.size + clusters; ) {
    known = missing.size + clusters;
    let largest = 0;
    for (const index of missing) largest = Math.max(largest, index);
    if (largest >= clusters * perTable) clusters = Math.ceil((largest + 2) / perTable);
    if (clusters * clusterBytes > REFCOUNT_TABLE_BYTES_MAX) {
      throw unsupported(file.path, tooMuch('clusters'));
    }
    if (missing.size * clusterBytes > file.allocated + BLOCK_BYTES_FREE) {
      throw unsupported(file.path, tooMuch('holes'));
    }
    end = begin + missing.size + (clusters > old ? clusters : 0);
    for (let index = Math.floor(begin / perBlock); index * perBlock < end; index++) {
      if (end > begin && !(refcountTable[index]! > 0)) missing.add(index);
    }
  }
  const moved = clusters > old;
  const table = new Float64Array(clusters * perTable);
  table.set(refcountTable);
  let next = begin + (moved ? clusters : 0);
  for (const index of missing) table[index] = next++ * clusterBytes;
  const tableOffset = moved ? begin * clusterBytes : oldOffset;
  return { table, tableOffset, tableClusters: clusters, moved, begin, end };
}

/** Sets the copied bits, which allow writing in place, where the refcount is 1 and clears the others. */
function correctMarks(
  file: WritableFile,
  layout: QcowLayout,
  { active }: Tables,
  l1: DataView,
  { first, counts }: Window,
): void {
  const { clusterBytes } = layout;
  const { entryBytes } = geometryOf(layout);
  const owned = (offset: number): boolean | undefined => {
    const count = counts[offset / clusterBytes - first];
    return count === undefined ? undefined : count === 1;
  };
  correctCopied(l1, 8, owned);
  // Clusters of a data file have no refcounts.
  if (layout.dataFileName !== null) return;
  for (const offset of active) {
    const bytes = file.read(offset, clusterBytes);
    const changed = correctCopied(new DataView(bytes.buffer), entryBytes, owned);
    if (changed) file.write(offset, bytes);
  }
}

/** Writes the blocks of a window whose contents change. */
function writeBlocks(
  file: WritableFile,
  layout: QcowLayout,
  { first, counts }: Window,
  windowClusters: number,
  { table, begin, end, moved }: Placement,
): void {
  const { clusterBytes, refcountOrder } = layout;
  const perBlock = refcountsPerBlock(layout);
  const oldTable = layout.refcountTableOffset / clusterBytes;
  const oldTableEnd = moved ? oldTable + layout.refcountTableClusters : oldTable;
  const until = Math.min(first + windowClusters, Math.max(first + counts.length, end));
  for (let start = first; start < until; start += perBlock) {
    const offset = table[start / perBlock]!;
    if (!(offset > 0)) continue;
    const block = new Uint8Array(clusterBytes);
    for (let i = 0; i < perBlock && start + i < until; i++) {
      const cluster = start + i;
      const isNew = cluster >= begin && cluster < end;
      const given = cluster >= oldTable && cluster < oldTableEnd;
      const count = given ? 0 : isNew ? 1 : (counts[cluster - first] ?? 0);
      if (count !== 0) setRefcount(block, i, refcountOrder, count);
    }
    const before = Buffer.from(file.read(offset, clusterBytes).buffer);
    if (!before.equals(block) || offset >= begin * clusterBytes) file.write(offset, block);
  }
}

/** Writes the table, then its place and the cleared dirty bit in one sector of the header. */
function finish(file: WritableFile, layout: QcowLayout, placement: Placement): QcowLayout {
  const { table, tableOffset, tableClusters } = placement;
  if (placement.end > placement.begin) {
    file.write(tableOffset, encodeTable(table, 0, table.length * 8, null));
  }
  file.sync();
  const header = new HeaderBlock(file.read(0, Math.min(4096, layout.clusterBytes)));
  header.setRefcountTable(tableOffset, tableClusters);
  header.setDirty(false);
  for (const [offset, bytes] of header.stage()) file.write(offset, bytes);
  file.sync();
  return {
    ...layout,
    refcountTableOffset: tableOffset,
    refcountTableClusters: tableClusters,
    features: { ...layout.features, dirty: false },
  };
}
