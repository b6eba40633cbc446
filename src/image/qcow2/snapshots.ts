import type { ReadableFile } from '../../host/open-file.js';
import { malformed } from '../refusal.js';
import * as abi from './abi.js';
import { getU64, OFFSET_MAX } from './entries.js';
import { textOf } from './extensions.js';
import { geometryOf, type QcowLayout } from './layout.js';

/** An internal snapshot. Plain data. */
export interface Snapshot {
  id: string;
  name: string;
  /** Milliseconds since 1970. */
  dateMs: number;
  /** Size of the saved state of the virtual machine; 0 if only the disk was saved. */
  stateBytes: number;
  /** Virtual size of the disk when the snapshot was made. */
  size: number;
  l1Offset: number;
  l1Entries: number;
  /** Size of its entry in the snapshot table. */
  entryBytes: number;
}

/** QEMU's limit of the whole table. It bounds what a hostile image can make Sluice read and keep. */
const TABLE_BYTES_MAX = 64 << 20;

/**
 * Reads the snapshot table.
 *
 * @throws SluiceError EINVAL, exit code 3, for a table that is cut off or out of bounds
 */
export function readSnapshots(source: ReadableFile, layout: QcowLayout): Snapshot[] {
  const snapshots: Snapshot[] = [];
  const window = new Window(source);
  let at = layout.snapshotsOffset;
  let l1Entries = 0;
  for (let index = 0; index < layout.snapshotCount; index++) {
    const fixed = viewOf(window.read(at, abi.SNAPSHOT_BYTES));
    const extra = fixed.getUint32(abi.SNAPSHOT_EXTRA_BYTES);
    const texts = fixed.getUint16(abi.SNAPSHOT_ID_BYTES) + fixed.getUint16(abi.SNAPSHOT_NAME_BYTES);
    const length = abi.SNAPSHOT_BYTES + extra + texts;
    const tableBytes = at + length - layout.snapshotsOffset;
    if (
      extra > abi.SNAPSHOT_EXTRA_BYTES_MAX ||
      tableBytes > TABLE_BYTES_MAX ||
      at + length > source.size
    ) {
      throw malformed(source.path, 'its snapshot table is broken or cut off');
    }
    const snapshot = parseSnapshot(window.read(at, length), layout);
    l1Entries += snapshot.l1Entries;
    if (!hasPlausibleL1(snapshot, layout, source.size) || l1Entries > abi.SNAPSHOT_L1_ENTRIES_MAX) {
      throw malformed(source.path, `its snapshot ${index + 1} has an L1 table that cannot be`);
    }
    snapshots.push(snapshot);
    at += Math.ceil(length / 8) * 8;
  }
  return snapshots;
}

/** The table is read in pieces of this size: to read 65536 entries one by one takes seconds. */
const WINDOW_BYTES = 1 << 20;

/** Reads a source from front to back in small steps. */
class Window {
  readonly #source: ReadableFile;
  #start = 0;
  #bytes: Uint8Array = new Uint8Array(0);

  constructor(source: ReadableFile) {
    this.#source = source;
  }

  /** @param length At most WINDOW_BYTES. */
  read(offset: number, length: number): Uint8Array {
    if (offset < this.#start || offset + length > this.#start + this.#bytes.length) {
      this.#start = offset;
      this.#bytes = this.#source.read(offset, WINDOW_BYTES);
    }
    return this.#bytes.slice(offset - this.#start, offset - this.#start + length);
  }
}

/** True if the L1 table begins at a cluster, lies in the file and is within QEMU's limit. */
function hasPlausibleL1(
  { l1Offset, l1Entries, size }: Snapshot,
  { clusterBytes }: QcowLayout,
  fileBytes: number,
): boolean {
  const bytes = l1Entries * 8;
  const isInFile = l1Offset % clusterBytes === 0 && l1Offset + bytes <= fileBytes;
  return size <= OFFSET_MAX && bytes <= abi.L1_BYTES_MAX && (bytes === 0 || isInFile);
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Parses one entry, whose lengths have been checked. */
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
 * The layout of an image at one of its snapshots, with the L1 table and size of that time.
 *
 * @throws SluiceError EINVAL, exit code 3, for an L1 table that does not describe the whole disk
 */
export function snapshotLayout(path: string, layout: QcowLayout, snapshot: Snapshot): QcowLayout {
  const { l1Offset, l1Entries, size } = snapshot;
  if (l1Entries < Math.ceil(size / geometryOf(layout).l2Coverage)) {
    throw malformed(path, `snapshot ${JSON.stringify(snapshot.name)} is broken`);
  }
  return { ...layout, l1Offset, l1Entries, size };
}

/** The snapshot with this ID, else with this name; undefined if there is none. */
export function findSnapshot(snapshots: readonly Snapshot[], wanted: string): Snapshot | undefined {
  return snapshots.find(({ id }) => id === wanted) ?? snapshots.find(({ name }) => name === wanted);
}
