import { BlockLayer, HOLE } from '../block-layer.js';
import type { Format } from '../format.js';
import { isParallels, openParallels, type ParallelsMetadata } from './open-image.js';

/** The format of Parallels Desktop and of Virtuozzo: a header and one table of clusters. */
export const parallels: Format = {
  name: 'parallels',
  probe: isParallels,
  open: openParallels,
  hasMetadata: true,
  makeLayer: ({ metadata }, [file], io) => {
    const { table, entryUnit } = metadata as ParallelsMetadata;
    const place = (words: Uint32Array, at: number): number => {
      const entry = words[at]!;
      return entry === 0 ? HOLE : entry * entryUnit;
    };
    return new BlockLayer(table, { place }, file!, io);
  },
};
