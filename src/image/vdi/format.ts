import { BlockLayer } from '../block-layer.js';
import type { Format } from '../format.js';
import { isVdi } from './header.js';
import { openVdi, placeOf, type VdiMetadata } from './open-image.js';

/** VirtualBox's format: a header and one map of blocks. */
export const vdi: Format = {
  name: 'vdi',
  probe: isVdi,
  open: openVdi,
  hasMetadata: true,
  makeLayer: ({ metadata }, [file], io) => {
    const { table, header } = metadata as VdiMetadata;
    const place = (words: Uint32Array, at: number): number => placeOf(header, words[at]!);
    return new BlockLayer(table, { place }, file!, io);
  },
};
