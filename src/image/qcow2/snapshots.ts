import type { Source } from '../source.js';
import * as abi from './abi.js';
import { getU64, OFFSET_MAX } from './bytes.js';
import { textOf } from './extensions.js';
import type { QcowLayout } from './layout.js';
import { malformed } from './refusal.js';

/** An internal snapshot. Plain data. */
export interface Snapshot {
  id: string;
  name: string;
  /** Milliseconds since 1970. */
  dateMs: number;
  /** Bytes of the saved state of the virtual machine; 0 for a snapshot of the disk alone. */
  stateBytes: number;
  /** Virtual size of the disk at that time. */
  size: number;
  l1Offset: number;
  l1Entries: number;
  /** Bytes of its entry in the table of snapshots. */
  entryBytes: number;
}

/** QEMU's limit of the whole table: it bounds what a hostile image can make us read and keep. */
const TABLE_BYTES_MAX = 64 << 20;

/**
 * Reads the snapshot table.
 *
 * @throws SluiceError EINVAL, exit code 3, for a table that is cut off or out of bounds
 */
export function readSnapshots(path: string, source: Source, layout: QcowLayout): Snapshot[] {
  const snapshots: Snapshot[] = [];
  let at = layout.snapshotsOffset;
  for (let index = 0; index < layout.snapshotCount; index++) {
    const fixed = viewOf(source.read(at, abi.SNAPSHOT_BYTES));
    const extra = fixed.getUint32(abi.SNAPSHOT_EXTRA_BYTES);
    const texts = fixed.getUint16(abi.SNAPSHOT_ID_BYTES) + fixed.getUint16(abi.SNAPSHOT_NAME_BYTES);
    const length = abi.SNAPSHOT_BYTES + extra + texts;
    const tableBytes = at + length - layout.snapshotsOffset;
    if (
      extra > abi.SNAPSHOT_EXTRA_BYTES_MAX ||
      tableBytes > TABLE_BYTES_MAX ||
      at + length > source.size
    ) {
      throw malformed(path, 'its snapshot table is broken or cut off');
    }
    snapshots.push(parseSnapshot(source.read(at, length), layout));
    at += Math.ceil(length / 8) * 8;
  }
  return snapshots;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** One entry, whose lengths are checked. */
function parseSnapshot(bytes: Uint8Array, layout: QcowLayout): Snapshot {
  const view = viewOf(bytes);
  const extra = view.getUint32(abi.SNAPSHOT_EXTRA_BYTES);
  const idBytes = view.getUint16(abi.SNAPSHOT_ID_BYTES);
  const at = abi.SNAPSHOT_BYTES;
  const texts = at + extra;
  const wide = extra >= abi.SNAPSHOT_EXTRA_STATE_BYTES + 8;
  const sized = extra >= abi.SNAPSHOT_EXTRA_DISK_SIZE + 8;
  return {
    id: textOf(bytes.subarray(texts, texts + idBytes)),
    name: textOf(bytes.subarray(texts + idBytes)),
    dateMs:
      view.getUint32(abi.SNAPSHOT_SECONDS) * 1000 +
      Math.floor(view.getUint32(abi.SNAPSHOT_NANOSECONDS) / 1e6),
    stateBytes: wide
      ? getU64(view, at + abi.SNAPSHOT_EXTRA_STATE_BYTES)
      : view.getUint32(abi.SNAPSHOT_STATE_BYTES),
    size: sized ? getU64(view, at + abi.SNAPSHOT_EXTRA_DISK_SIZE) : layout.size,
    l1Offset: getU64(view, abi.SNAPSHOT_L1_OFFSET),
    l1Entries: view.getUint32(abi.SNAPSHOT_L1_ENTRIES),
    entryBytes: Math.ceil(bytes.length / 8) * 8,
  };
}

/**
 * The layout of an image as it was at a snapshot: another L1 table and size.
 *
 * @throws SluiceError EINVAL, exit code 3, for a snapshot whose L1 table is impossible
 */
export function snapshotLayout(path: string, layout: QcowLayout, snapshot: Snapshot): QcowLayout {
  const { l1Offset, l1Entries, size } = snapshot;
  const coverage = (layout.clusterBytes / (layout.extendedL2 ? 16 : 8)) * layout.clusterBytes;
  const sane =
    size <= OFFSET_MAX &&
    l1Offset <= OFFSET_MAX &&
    l1Offset % layout.clusterBytes === 0 &&
    l1Entries * 8 <= abi.L1_BYTES_MAX &&
    l1Entries >= Math.ceil(size / coverage);
  if (!sane) throw malformed(path, `snapshot ${JSON.stringify(snapshot.name)} is broken`);
  return { ...layout, l1Offset, l1Entries, size };
}

/** The snapshot with this ID, else with this name; undefined if there is none. */
export function findSnapshot(snapshots: readonly Snapshot[], wanted: string): Snapshot | undefined {
  return snapshots.find(({ id }) => id === wanted) ?? snapshots.find(({ name }) => name === wanted);
}
