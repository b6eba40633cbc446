import { BlockLayer, type EntryRule, HOLE, INVALID, PACKED } from '../block-layer.js';
import type { Format } from '../format.js';
import { isQcow1, openQcow1, type Qcow1Metadata } from './open-image.js';

/** In the high word of an entry: the cluster is compressed. */
const COMPRESSED_BIT = 0x80000000;

/** QEMU's first format of its own: clusters found by tables, compressed or not, and backing files. */
export const qcow1: Format = {
  name: 'qcow',
  probe: isQcow1,
  open: openQcow1,
  hasMetadata: true,
  makeLayer: ({ metadata }, [file], io) => {
    const { table } = metadata as Qcow1Metadata;
    const inflation = { method: 'zlib' as const, clusterBytes: table.blockBytes };
    return new BlockLayer(table, ruleOf(table.blockBytes), file!, io, { inflation });
  },
};

/**
 * An entry is the place of a cluster. The bits of a compressed one that its place does not need have its
 * length: as many as the bits of a cluster's size.
 */
function ruleOf(clusterBytes: number): EntryRule {
  const lengthShift = 31 - Math.log2(clusterBytes);
  const placeMask = 2 ** lengthShift - 1;
  return {
    place: (words, at) => {
      const high = words[at]!;
      if ((high & COMPRESSED_BIT) !== 0) return PACKED;
      const offset = high * 2 ** 32 + words[at + 1]!;
      if (offset === 0) return HOLE;
      return offset % 512 === 0 ? offset : INVALID;
    },
    packed: (words, at, extent) => {
      const high = words[at]!;
      extent.offset = (high & placeMask) * 2 ** 32 + words[at + 1]!;
      extent.bytes = (high >>> lengthShift) & (clusterBytes - 1);
    },
  };
}
