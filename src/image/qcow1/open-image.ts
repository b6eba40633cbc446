import type { HostFile } from '../../host/host-file.js';
import { formatSize, SIZE_MAX } from '../../util/units.js';
import { readBackingName } from '../backing-name.js';
import { type BlockTable, readTables } from '../block-table.js';
import { roundUpToSector } from '../extent.js';
import { u64, viewOf } from '../fields.js';
import type { OpenHow, OpenImage } from '../format.js';
import { malformed, refuseSnapshot, unsupported } from '../refusal.js';

// QEMU: block/qcow.c, QCowHeader. Numbers are big-endian.

const SIGNATURE = 0x514649fb;
const HEADER_BYTES = 48;
/** Bits of the sizes of clusters, and of tables in entries, that QEMU takes. */
const CLUSTER_BITS = [9, 16] as const;
const TABLE_BITS = [6, 13] as const;

/** The metadata of a layer, as `LayerConfig` has it. */
export interface Qcow1Metadata {
  table: BlockTable;
}

export function isQcow1(head: Uint8Array): boolean {
  const view = viewOf(head);
  return head.length >= 8 && view.getUint32(0) === SIGNATURE && view.getUint32(4) === 1;
}

/** See `Format.open`. */
export function openQcow1(file: HostFile, { snapshot }: OpenHow): OpenImage {
  const { path } = file;
  refuseSnapshot(path, snapshot, 'a qcow image of version 1');
  const head = file.read(0, HEADER_BYTES);
  if (!isQcow1(head) || file.size < HEADER_BYTES) {
    throw malformed(path, 'not a qcow image of version 1');
  }
  const view = viewOf(head);
  if (view.getUint32(36) !== 0) {
    throw unsupported(path, 'encrypted (AES); decrypt it with qemu-img convert first');
  }
  const [clusterBits, tableBits] = [view.getUint8(32), view.getUint8(33)];
  if (!isWithin(clusterBits, CLUSTER_BITS) || !isWithin(tableBits, TABLE_BITS)) {
    const sizes = `2^${clusterBits} bytes, tables of 2^${tableBits} entries`;
    throw malformed(path, `clusters of ${sizes}: QEMU has 2^9 to 2^16 and 2^6 to 2^13`);
  }
  const size = roundUpToSector(u64(view, 24, false));
  if (size > SIZE_MAX) throw malformed(path, 'its virtual size is above 2^53 bytes');
  const table = readTables(file, {
    ...{ size, blockBytes: 2 ** clusterBits, tableEntries: 2 ** tableBits },
    ...{ order: 'big-endian', offset: u64(view, 40, false), alignment: 512 },
  });
  const nameAt = u64(view, 8, false);
  const name = nameAt === 0 ? null : readBackingName(file, nameAt, view.getUint32(16), file.size);
  return {
    size,
    backing: name === null ? null : { names: [name], format: null },
    dataFiles: [],
    unitBytes: 512,
    canGrow: false,
    methods: ['zlib'],
    metadata: { table } satisfies Qcow1Metadata,
    hasSparseData: () => false,
    describe: () => ({
      features: { version: 1, clusterSize: table.blockBytes },
      lines: [['features', `version 1, ${formatSize(table.blockBytes)} clusters`]],
      snapshots: [],
      problems: [],
    }),
  };
}

function isWithin(value: number, [low, high]: readonly [number, number]): boolean {
  return value >= low && value <= high;
}
