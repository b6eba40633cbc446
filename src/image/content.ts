import type { MapEntry } from './map-image.js';

/**
 * What the bytes of an image, or of one layer of it alone, are, summed up. They come to its virtual
 * size.
 */
export interface Content {
  data: number;
  compressed: number;
  /** Said to be zeros by some layer. */
  zero: number;
  /** In no layer; reads as zeros. */
  hole: number;
}

export function sumContent(entries: Iterable<MapEntry>): Content {
  const sum: Content = { data: 0, compressed: 0, zero: 0, hole: 0 };
  for (const entry of entries) {
    if (entry.compressed) sum.compressed += entry.length;
    else if (entry.data && !entry.zero) sum.data += entry.length;
    else if (entry.present) sum.zero += entry.length;
    else sum.hole += entry.length;
  }
  return sum;
}
