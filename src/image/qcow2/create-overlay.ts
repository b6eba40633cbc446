import { makeFile } from '../../host/file-edit.js';
import { EXIT_FAILED, SluiceError } from '../../util/errors.js';
import type { Backing } from '../format.js';
import * as abi from './abi.js';
import { setRefcount } from './refcounts.js';

/** QEMU's default, 64 KiB: its tools expect that, and an L2 table covers 512 MiB of the disk. */
const CLUSTER_BITS = 16;
const CLUSTER_BYTES = 1 << CLUSTER_BITS;
const REFCOUNT_ORDER = 4;
const HEADER_BYTES = 112;

/** Its owner writes an overlay, also where the image below is only read. */
const OWN = 0o600;

// The layout of the file, in clusters.
const REFCOUNT_TABLE = 1;
const REFCOUNT_BLOCK = 2;
const L1 = 3;

/**
 * Makes an empty qcow2 image over another image.
 *
 * @param path Must not exist, unless `isThere`: then it is of an empty file.
 * @throws SluiceError exit code 1
 */
export function createOverlay(path: string, backing: Backing, isThere = false): void {
  const { size } = backing;
  const l1Entries = Math.ceil(size / ((CLUSTER_BYTES / 8) * CLUSTER_BYTES));
  const l1Clusters = Math.max(1, Math.ceil((l1Entries * 8) / CLUSTER_BYTES));
  const table = Buffer.alloc(CLUSTER_BYTES);
  table.writeBigUInt64BE(BigInt(REFCOUNT_BLOCK * CLUSTER_BYTES));
  const block = new Uint8Array(CLUSTER_BYTES);
  for (let i = 0; i < L1 + l1Clusters; i++) setRefcount(block, i, REFCOUNT_ORDER, 1);
  const head = makeHead(path, backing, l1Entries);
  const pieces = [
    { offset: REFCOUNT_TABLE * CLUSTER_BYTES, bytes: table },
    { offset: REFCOUNT_BLOCK * CLUSTER_BYTES, bytes: block },
    // The header is written last: without it the file is no image.
    { offset: 0, bytes: head },
  ];
  makeFile(path, (L1 + l1Clusters) * CLUSTER_BYTES, pieces, OWN | backing.mode, isThere);
}

function makeHead(path: string, backing: Backing, l1Entries: number): Buffer {
  const { path: below, format, size } = backing;
  const name = Buffer.from(below);
  if (name.length > abi.BACKING_NAME_BYTES_MAX) {
    const message = `${path}: the path of the image below is longer than 1023 bytes`;
    throw new SluiceError(message, 'ENAMETOOLONG', EXIT_FAILED);
  }
  const head = Buffer.alloc(CLUSTER_BYTES);
  const nameAt = HEADER_BYTES + 16 + 8;
  head.writeUInt32BE(abi.MAGIC);
  head.writeUInt32BE(3, abi.HEADER_VERSION);
  head.writeBigUInt64BE(BigInt(nameAt), abi.HEADER_BACKING_OFFSET);
  head.writeUInt32BE(name.length, abi.HEADER_BACKING_BYTES);
  head.writeUInt32BE(CLUSTER_BITS, abi.HEADER_CLUSTER_BITS);
  head.writeBigUInt64BE(BigInt(size), abi.HEADER_SIZE);
  head.writeUInt32BE(l1Entries, abi.HEADER_L1_ENTRIES);
  head.writeBigUInt64BE(BigInt(L1 * CLUSTER_BYTES), abi.HEADER_L1_OFFSET);
  const tableAt = BigInt(REFCOUNT_TABLE * CLUSTER_BYTES);
  head.writeBigUInt64BE(tableAt, abi.HEADER_REFCOUNT_TABLE_OFFSET);
  head.writeUInt32BE(1, abi.HEADER_REFCOUNT_TABLE_CLUSTERS);
  head.writeUInt32BE(REFCOUNT_ORDER, abi.HEADER_REFCOUNT_ORDER);
  head.writeUInt32BE(HEADER_BYTES, abi.HEADER_LENGTH);
  head.writeUInt32BE(abi.EXTENSION_BACKING_FORMAT, HEADER_BYTES);
  head.writeUInt32BE(format.length, HEADER_BYTES + 4);
  head.write(format, HEADER_BYTES + 8);
  name.copy(head, nameAt);
  return head;
}
