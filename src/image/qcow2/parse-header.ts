import { viewOf } from '../fields.js';
import type { Compression } from '../inflate-calls.js';
import { malformed, unsupported } from '../refusal.js';
import * as abi from './abi.js';
import { getU64, OFFSET_MAX } from './entries.js';
import { type Extensions, parseExtensions, textOf } from './extensions.js';
import { checkIncompatible, hasFeature } from './features.js';
import { geometryOf, type QcowLayout } from './layout.js';

/** Bytes of a file that `headBytes` looks at. */
export const HEADER_START_BYTES = abi.HEADER_CLUSTER_BITS + 4;

/**
 * Header, extensions and backing name lie in the first cluster. Its size, bytes, as the first
 * HEADER_START_BYTES of the file say, within what is possible.
 */
export function headBytes(start: Uint8Array): number {
  if (start.length < HEADER_START_BYTES) return start.length;
  const bits = new DataView(start.buffer, start.byteOffset).getUint32(abi.HEADER_CLUSTER_BITS);
  return 2 ** Math.min(Math.max(bits, abi.CLUSTER_BITS_MIN), abi.CLUSTER_BITS_MAX);
}

/** The fields that later checks need. */
interface Basics {
  version: 2 | 3;
  clusterBits: number;
  headerBytes: number;
  incompatible: bigint;
  compatible: bigint;
  autoclear: bigint;
}

/** True if the bytes begin like a qcow2 image of any version but 1, which is another format. */
export function isQcow(head: Uint8Array): boolean {
  const isFirst = head.length >= 8 && viewOf(head).getUint32(abi.HEADER_VERSION) === 1;
  return hasMagic(head) && !isFirst;
}

function hasMagic(head: Uint8Array): boolean {
  return head.length >= 4 && viewOf(head).getUint32(0) === abi.MAGIC;
}

/**
 * Decodes and checks the header of a qcow2 image. The input is hostile: each field is checked before
 * anything is derived from it, and the cluster size first of all.
 *
 * @param head the first cluster (see `headBytes`), less if the file is shorter
 * @throws SluiceError exit code 3: EINVAL for a broken header, ENOTSUP for an unsupported feature
 */
export function parseHeader(path: string, head: Uint8Array): QcowLayout {
  if (!hasMagic(head)) throw malformed(path, 'not a qcow2 image');
  const padded = head.length >= abi.HEADER_V3_BYTES + 8 ? head : pad(head);
  const view = new DataView(padded.buffer, padded.byteOffset, padded.byteLength);
  const basics = readBasics(path, view, head.length);
  const clusterBytes = 2 ** basics.clusterBits;
  const backing = readBackingName(path, view, padded, basics.headerBytes, clusterBytes);
  const end = Math.min(backing.offset || clusterBytes, clusterBytes, padded.length);
  const extensions = parseExtensions(path, padded, basics.headerBytes, end);
  checkIncompatible(path, basics.incompatible, extensions.featureNames);
  checkEncryption(path, view);
  const layout = {
    ...readTables(path, view, basics),
    ...readFormat(path, view, basics, extensions),
    version: basics.version,
    clusterBits: basics.clusterBits,
    clusterBytes,
    headerBytes: basics.headerBytes,
    backingName: backing.name,
    backingFormat: backing.name === null ? null : extensions.backingFormat,
  };
  checkL1(path, layout);
  return layout;
}

function pad(head: Uint8Array): Uint8Array {
  const padded = new Uint8Array(abi.HEADER_V3_BYTES + 8);
  padded.set(head);
  return padded;
}

function readBasics(path: string, view: DataView, bytes: number): Basics {
  if (bytes < abi.HEADER_V2_BYTES) throw malformed(path, 'the qcow2 header is cut off');
  const version = view.getUint32(abi.HEADER_VERSION);
  if (version !== 2 && version !== 3) {
    throw unsupported(path, `qcow version ${version} is not supported; versions 2 and 3 are`);
  }
  const clusterBits = view.getUint32(abi.HEADER_CLUSTER_BITS);
  if (clusterBits < abi.CLUSTER_BITS_MIN || clusterBits > abi.CLUSTER_BITS_MAX) {
    throw malformed(path, `cluster size 2^${clusterBits} is not within 512 bytes to 2 MiB`);
  }
  if (version === 2) {
    const headerBytes = abi.HEADER_V2_BYTES;
    const none = { incompatible: 0n, compatible: 0n, autoclear: 0n };
    return { version, clusterBits, headerBytes, ...none };
  }
  if (bytes < abi.HEADER_V3_BYTES) throw malformed(path, 'the qcow2 header is cut off');
  const headerBytes = view.getUint32(abi.HEADER_LENGTH);
  if (headerBytes < abi.HEADER_V3_BYTES || headerBytes % 8 !== 0 || headerBytes > bytes) {
    throw malformed(path, `header length ${headerBytes} is impossible`);
  }
  if (headerBytes > 2 ** clusterBits) throw malformed(path, 'the header is larger than a cluster');
  return {
    version,
    clusterBits,
    headerBytes,
    incompatible: view.getBigUint64(abi.HEADER_INCOMPATIBLE),
    compatible: view.getBigUint64(abi.HEADER_COMPATIBLE),
    autoclear: view.getBigUint64(abi.HEADER_AUTOCLEAR),
  };
}

function readBackingName(
  path: string,
  view: DataView,
  head: Uint8Array,
  headerBytes: number,
  clusterBytes: number,
): { offset: number; name: string | null } {
  const offset = getU64(view, abi.HEADER_BACKING_OFFSET);
  const bytes = view.getUint32(abi.HEADER_BACKING_BYTES);
  if (offset === 0) return { offset, name: null };
  const end = Math.min(clusterBytes, head.length);
  if (bytes > abi.BACKING_NAME_BYTES_MAX || offset < headerBytes || offset + bytes > end) {
    throw malformed(path, 'the name of the backing file does not lie in the first cluster');
  }
  const name = textOf(head.subarray(offset, offset + bytes));
  return { offset, name: name === '' ? null : name };
}

function checkEncryption(path: string, view: DataView): void {
  const method = view.getUint32(abi.HEADER_CRYPT_METHOD);
  if (method === 0) return;
  const name = method === 1 ? 'AES' : method === 2 ? 'LUKS' : `method ${method}`;
  throw unsupported(path, `encrypted (${name}); decrypt it with qemu-img convert first`);
}

/** The places of the tables. Each must begin at a cluster and be no larger than QEMU's limit. */
function readTables(path: string, view: DataView, basics: Basics) {
  const clusterBytes = 2 ** basics.clusterBits;
  const size = getU64(view, abi.HEADER_SIZE);
  if (size > OFFSET_MAX) throw malformed(path, 'its virtual size is above 2^53 bytes');
  const l1Entries = view.getUint32(abi.HEADER_L1_ENTRIES);
  if (l1Entries * 8 > abi.L1_BYTES_MAX) throw malformed(path, 'its L1 table is above 32 MiB');
  const l1Offset = tableOffset(path, view, abi.HEADER_L1_OFFSET, clusterBytes, 'L1 table');
  const refcountTableClusters = view.getUint32(abi.HEADER_REFCOUNT_TABLE_CLUSTERS);
  if (refcountTableClusters * clusterBytes > abi.REFCOUNT_TABLE_BYTES_MAX) {
    throw malformed(path, 'its refcount table is above 8 MiB');
  }
  const at = abi.HEADER_REFCOUNT_TABLE_OFFSET;
  const refcountTableOffset = tableOffset(path, view, at, clusterBytes, 'refcount table');
  if (refcountTableClusters === 0) throw malformed(path, 'it has no refcount table');
  const snapshotCount = view.getUint32(abi.HEADER_SNAPSHOT_COUNT);
  if (snapshotCount > abi.SNAPSHOTS_MAX) throw malformed(path, 'it claims too many snapshots');
  const snapshotsOffset =
    snapshotCount === 0
      ? 0
      : tableOffset(path, view, abi.HEADER_SNAPSHOTS_OFFSET, clusterBytes, 'snapshot table');
  const refcountOrder = basics.version === 2 ? 4 : view.getUint32(abi.HEADER_REFCOUNT_ORDER);
  if (refcountOrder > 6) throw malformed(path, `refcounts of 2^${refcountOrder} bits`);
  return {
    size,
    l1Entries,
    l1Offset,
    refcountTableOffset,
    refcountTableClusters,
    snapshotCount,
    snapshotsOffset,
    refcountOrder,
  };
}

function tableOffset(
  path: string,
  view: DataView,
  at: number,
  clusterBytes: number,
  what: string,
): number {
  const offset = getU64(view, at);
  if (offset % clusterBytes !== 0) {
    throw malformed(path, `its ${what} does not begin at a cluster`);
  }
  if (offset > OFFSET_MAX) throw malformed(path, `its ${what} is beyond 2^53`);
  return offset;
}

function readFormat(path: string, view: DataView, basics: Basics, extensions: Extensions) {
  const { incompatible, compatible, autoclear, clusterBits } = basics;
  const extendedL2 = hasFeature(incompatible, abi.INCOMPATIBLE_EXTENDED_L2);
  if (extendedL2 && clusterBits < abi.CLUSTER_BITS_MIN_EXTENDED) {
    throw malformed(path, 'extended L2 entries need clusters of at least 16 KiB');
  }
  const hasDataFile = hasFeature(incompatible, abi.INCOMPATIBLE_DATA_FILE);
  if (hasDataFile && extensions.dataFileName === null) {
    throw malformed(path, 'it does not name its external data file');
  }
  return {
    compression: readCompression(path, view, basics),
    extendedL2,
    features: {
      dirty: hasFeature(incompatible, abi.INCOMPATIBLE_DIRTY),
      corrupt: hasFeature(incompatible, abi.INCOMPATIBLE_CORRUPT),
      lazyRefcounts: hasFeature(compatible, abi.COMPATIBLE_LAZY_REFCOUNTS),
      bitmaps: hasFeature(autoclear, abi.AUTOCLEAR_BITMAPS) ? extensions.bitmaps : 0,
    },
    dataFileName: hasDataFile ? extensions.dataFileName : null,
    dataFileRaw: hasDataFile && hasFeature(autoclear, abi.AUTOCLEAR_RAW_DATA_FILE),
  };
}

/** Feature bit and field must agree: the bit keeps old readers from inflating zstd as zlib. */
function readCompression(path: string, view: DataView, basics: Basics): Compression {
  const has = basics.headerBytes > abi.HEADER_V3_BYTES;
  const type = has ? view.getUint8(abi.HEADER_COMPRESSION_TYPE) : 0;
  const flagged = hasFeature(basics.incompatible, abi.INCOMPATIBLE_COMPRESSION);
  if (type > 1) throw unsupported(path, `compression type ${type} is not supported`);
  if (flagged !== (type !== 0)) {
    throw malformed(path, 'compression type and its feature bit contradict each other');
  }
  return type === 1 ? 'zstd' : 'zlib';
}

/** The L1 table must describe the whole disk. */
function checkL1(path: string, layout: QcowLayout): void {
  const needed = Math.ceil(layout.size / geometryOf(layout).l2Coverage);
  if (layout.l1Entries < needed) {
    throw malformed(path, `its L1 table has ${layout.l1Entries} entries; ${needed} are needed`);
  }
}
