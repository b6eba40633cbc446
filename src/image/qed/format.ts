import { BlockLayer, HOLE, INVALID, ZEROS } from '../block-layer.js';
import type { Format } from '../format.js';
import { isQed, openQed, type QedMetadata } from './open-image.js';

const UNALLOCATED = 0;
const ZERO_CLUSTER = 1;

/** QEMU's enhanced disk format, which came before qcow2 of version 3. */
export const qed: Format = {
  name: 'qed',
  probe: isQed,
  open: openQed,
  hasMetadata: true,
  makeLayer: ({ metadata }, [file], io) => {
    const { table } = metadata as QedMetadata;
    const { blockBytes } = table;
    const place = (words: Uint32Array, at: number): number => {
      const offset = words[at + 1]! * 2 ** 32 + words[at]!;
      if (offset === UNALLOCATED) return HOLE;
      if (offset === ZERO_CLUSTER) return ZEROS;
      return offset % blockBytes === 0 ? offset : INVALID;
    };
    return new BlockLayer(table, { place }, file!, io);
  },
};
