import type { HostFile } from '../../host/host-file.js';
import { getU64 } from './entries.js';
import { type QcowLayout, refcountsPerBlock } from './layout.js';
import { getRefcount } from './refcounts.js';

const TABLE_OFFSET_MASK = 512;

/**
 * True if far more clusters are allocated in the image than its file occupies on the host, as after
 * preallocation=metadata. Data clusters may then be holes of the host file. The thresholds are those of
 * QEMU (qcow2_detect_metadata_preallocation), because the output of its `map` depends on the answer.
 */
export function isPreallocated(source: HostFile, layout: QcowLayout): boolean {
  const { clusterBytes, refcountOrder } = layout;
  const real = Math.floor(source.allocated / clusterBytes);
  const threshold = Math.max(Math.floor((real * 10) / 9), real + 2);
  const clusters = Math.ceil(source.size / clusterBytes);
  const perBlock = refcountsPerBlock(layout);
  let count = 0;
  for (let first = 0; first < clusters && count < threshold; first += perBlock) {
    const offset = blockOffset(source, layout, first / perBlock);
    if (offset === 0) continue;
    const block = source.read(offset, clusterBytes);
    const end = Math.min(perBlock, clusters - first);
    for (let i = 0; i < end; i++) if (getRefcount(block, i, refcountOrder) > 0) count++;
  }
  return count >= threshold;
}

/** Host offset of a refcount block, 0 where there is none. */
function blockOffset(source: HostFile, layout: QcowLayout, index: number): number {
  const { refcountTableOffset, refcountTableClusters, clusterBytes } = layout;
  if (index * 8 >= refcountTableClusters * clusterBytes) return 0;
  const bytes = source.read(refcountTableOffset + index * 8, 8);
  const offset = getU64(new DataView(bytes.buffer), 0);
  const aligned = offset - (offset % TABLE_OFFSET_MASK);
  return aligned < source.size ? aligned : 0;
}
