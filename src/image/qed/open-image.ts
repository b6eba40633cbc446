import type { HostFile } from '../../host/host-file.js';
import { formatSize, SIZE_MAX } from '../../util/units.js';
import { readBackingName } from '../backing-name.js';
import { type BlockTable, readTables } from '../block-table.js';
import { roundUpToSector } from '../extent.js';
import { u64, viewOf } from '../fields.js';
import type { BackingName, OpenHow, OpenImage } from '../format.js';
import { malformed, refuseSnapshot, unsupported } from '../refusal.js';

// QEMU: docs/interop/qed_spec.rst. Numbers are little-endian.

const SIGNATURE = 'QED\0';
const QED_HEADER_BYTES = 64;
const CLUSTER_BYTES = [4 << 10, 64 << 20] as const;
const TABLE_CLUSTERS_MAX = 16;

// Bits of the features, in the low word.
const HAS_BACKING = 1;
const NEEDS_CHECK = 2;
const BACKING_IS_RAW = 4;
const KNOWN = HAS_BACKING | NEEDS_CHECK | BACKING_IS_RAW;

/** The metadata of a layer, as `LayerConfig` has it. */
export interface QedMetadata {
  table: BlockTable;
}

export function isQed(head: Uint8Array): boolean {
  return Buffer.from(head.subarray(0, 4)).toString('latin1') === SIGNATURE;
}

/** See `Format.open`. */
export function openQed(file: HostFile, { snapshot }: OpenHow): OpenImage {
  const { path } = file;
  refuseSnapshot(path, snapshot, 'a QED image');
  const head = file.read(0, QED_HEADER_BYTES);
  if (!isQed(head) || file.size < QED_HEADER_BYTES) throw malformed(path, 'not a QED image');
  const view = viewOf(head);
  const features = view.getUint32(16, true);
  if (view.getUint32(20, true) !== 0 || (features & ~KNOWN) !== 0) {
    throw unsupported(path, 'it has features that are not known here');
  }
  const clusterBytes = view.getUint32(4, true);
  const tableClusters = view.getUint32(8, true);
  const [least, most] = CLUSTER_BYTES;
  const isPossible = isPowerOfTwo(clusterBytes) && clusterBytes >= least && clusterBytes <= most;
  if (!isPossible || !isPowerOfTwo(tableClusters) || tableClusters > TABLE_CLUSTERS_MAX) {
    const sizes = `${formatSize(clusterBytes)}, tables of ${tableClusters} clusters`;
    throw malformed(path, `clusters of ${sizes} are not possible`);
  }
  const size = roundUpToSector(u64(view, 48, true));
  if (size > SIZE_MAX) throw malformed(path, 'its virtual size is above 2^53 bytes');
  const tableEntries = (tableClusters * clusterBytes) / 8;
  if (Math.ceil(size / clusterBytes / tableEntries) > tableEntries) {
    throw malformed(path, 'its tables are too small for its size');
  }
  const table = readTables(file, {
    ...{ size, blockBytes: clusterBytes, tableEntries, alignment: clusterBytes },
    ...{ order: 'little-endian', offset: u64(view, 40, true) },
  });
  const needsCheck = (features & NEEDS_CHECK) !== 0;
  const check = 'it was not closed; qemu-img check -r all repairs it';
  return {
    size,
    backing: backingOf(file, view, features, clusterBytes * view.getUint32(12, true)),
    dataFiles: [],
    unitBytes: clusterBytes,
    canGrow: false,
    methods: [],
    metadata: { table } satisfies QedMetadata,
    hasSparseData: () => false,
    describe: () => ({
      features: { clusterSize: clusterBytes, needsCheck },
      lines: [['features', `${formatSize(clusterBytes)} clusters`]],
      snapshots: [],
      problems: needsCheck ? [check] : [],
    }),
  };
}

function isPowerOfTwo(value: number): boolean {
  return Number.isInteger(Math.log2(value));
}

/** @param headerBytes In which the name must lie. */
function backingOf(
  file: HostFile,
  view: DataView,
  features: number,
  headerBytes: number,
): BackingName | null {
  if ((features & HAS_BACKING) === 0) return null;
  const [offset, bytes] = [view.getUint32(56, true), view.getUint32(60, true)];
  const name = readBackingName(file, offset, bytes, Math.min(headerBytes, file.size));
  const format = (features & BACKING_IS_RAW) !== 0 ? 'raw' : null;
  return { names: [name], format };
}
