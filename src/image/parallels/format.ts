import { BlockLayer, HOLE } from '../block-layer.js';
import { FlatLayer } from '../flat-layer.js';
import type { Format } from '../format.js';
import {
  isParallels,
  openParallels,
  type ParallelsMetadata,
  type PlainMetadata,
} from './open-image.js';

/** The format of Parallels Desktop and of Virtuozzo: a header and one table of clusters. */
export const parallels: Format = {
  name: 'parallels',
  probe: isParallels,
  open: openParallels,
  hasMetadata: true,
  // The last file has the disk; a descriptor comes before it.
  makeLayer: ({ metadata }, files, io) => {
    const file = files.at(-1)!;
    const known = metadata as ParallelsMetadata | PlainMetadata;
    if ('plainBytes' in known) return new FlatLayer(file, 0, known.plainBytes);
    const { table, entryUnit } = known;
    const place = (words: Uint32Array, at: number): number => {
      const entry = words[at]!;
      return entry === 0 ? HOLE : entry * entryUnit;
    };
    return new BlockLayer(table, { place }, file, io);
  },
};
