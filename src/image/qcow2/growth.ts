import type { Task } from '../../host/engine.js';
import { ERRNO } from '../../util/errno.js';
import { roundUpToSector } from '../extent.js';
import { L1_BYTES_MAX } from './abi.js';
import { OFFSET_MAX } from './entries.js';
import type { QcowWriter } from './qcow-writer.js';

/** Operations that growing needs. */
interface GrowthIo {
  /** Host offset of `clusters` new clusters in a row, or -errno. */
  allocateRun(request: number, clusters: number): Task;
  /** Makes a range of the disk read as zeros. */
  zero(request: number, offset: number, length: number): Task;
}

const ENTRY_BYTES = 8;

/**
 * Makes the disk of a qcow2 image at least `wanted` bytes long. The caller must hold an exclusive lock on
 * everything from the end of the disk on. The next flush writes the new size to the header, after
 * everything that makes the new part read as zeros. A crash before that leaves the disk at its old size.
 *
 * @returns 0, -EFBIG for a size beyond the format's limit, or another -errno.
 */
export function* grow(writer: QcowWriter, io: GrowthIo, request: number, wanted: number): Task {
  const { layer } = writer;
  const before = layer.size;
  const size = roundUpToSector(wanted);
  if (size <= before) return 0;
  // Snapshots of version 2 do not record the size of the disk: they would grow with it.
  const { version, snapshotCount } = layer.layout;
  if (version === 2 && snapshotCount > 0) return -ERRNO.EOPNOTSUPP;
  const error = yield* makeEntries(writer, io, request, size);
  if (error < 0) return error;
  // The new part must read as zeros, even if a lower layer or an old table entry has data there.
  layer.size = size;
  const zeroed = yield* io.zero(request, before, size - before);
  if (zeroed < 0) {
    layer.size = before;
    return zeroed;
  }
  writer.setSize(size);
  return 0;
}

/** Makes the L1 table long enough: at its place if there is room, otherwise in new clusters. */
function* makeEntries(writer: QcowWriter, io: GrowthIo, request: number, size: number): Task {
  const { l2Coverage, clusterBytes } = writer.layer.geometry;
  const most = L1_BYTES_MAX / ENTRY_BYTES;
  const entries = Math.ceil(size / l2Coverage);
  if (entries > most || size > OFFSET_MAX) return -ERRNO.EFBIG;
  const has = writer.layer.l1.length;
  if (entries <= has) return 0;
  if (entries <= writer.l1Room) {
    writer.growL1(writer.l1Room, null);
    return 0;
  }
  // Half as many again, so that a disk that grows in small steps seldom moves its table.
  const generous = Math.max(entries, Math.min(most, Math.ceil(has * 1.5)));
  const clusters = Math.ceil((generous * ENTRY_BYTES) / clusterBytes);
  const host = yield* io.allocateRun(request, clusters);
  if (host < 0) return host;
  writer.growL1((clusters * clusterBytes) / ENTRY_BYTES, host);
  return 0;
}
