import type { ReadableFile } from '../../host/open-file.js';
import type { QcowLayout } from './layout.js';
import { getRefcount } from './refcounts.js';

/**
 * The end of the clusters in use, bytes. (On a block device the size of the file does not say.) Reads
 * the refcount blocks from the last one down, to the first with a nonzero refcount.
 *
 * @param table Offsets of refcount blocks, 0 for none.
 */
export function findEnd(source: ReadableFile, layout: QcowLayout, table: Float64Array): number {
  const { clusterBytes, refcountOrder } = layout;
  const perBlock = (clusterBytes * 8) / 2 ** refcountOrder;
  for (let index = table.length - 1; index >= 0; index--) {
    if (table[index] === 0) continue;
    const block = source.read(table[index]!, clusterBytes);
    for (let i = perBlock - 1; i >= 0; i--) {
      if (getRefcount(block, i, refcountOrder) !== 0) {
        return (index * perBlock + i + 1) * clusterBytes;
      }
    }
  }
  return clusterBytes;
}
