import { writeContentId } from '../content-id.js';
import type { Format } from '../format.js';
import { InPlaceWriter } from '../in-place-writer.js';
import { makeSliceCache } from '../slice-cache.js';
import { isDescriptor } from './descriptor.js';
import { openVmdk } from './open-image.js';
import type { VmdkMetadata, VmdkWriting } from './pieces.js';
import { GRAIN_SLICE_BYTES, slicesPerTable } from './sparse-extent.js';
import { isSparseHeader } from './sparse-header.js';
import { VmdkLayer } from './vmdk-layer.js';

/** VMware's image format: a descriptor, and extents that are flat or made of grains found by tables. */
export const vmdk: Format = {
  name: 'vmdk',
  probe: (head) => isSparseHeader(head) || isDescriptor(head),
  open: openVmdk,
  hasMetadata: true,
  makeLayer: ({ metadata }, files, io) => {
    const { pieces } = metadata as VmdkMetadata;
    const slices = pieces.map((piece) => {
      return piece.kind === 'sparse' ? piece.tables.length * slicesPerTable(piece.layout) : 0;
    });
    const all = slices.reduce((sum, one) => sum + one, 0);
    const cache = makeSliceCache(all, GRAIN_SLICE_BYTES, 'little-endian', io);
    return new VmdkLayer(metadata as VmdkMetadata, files, cache);
  },
  makeWriter: (layers, { layers: configs, writing, alignment }, file, io) => {
    const { contentId } = writing as VmdkWriting;
    const { hostSize } = configs[0]!;
    if (contentId === null) return new InPlaceWriter(layers, io);
    return new InPlaceWriter(layers, io, (request) => {
      return writeContentId(request, io.engine, file, hostSize, alignment, contentId);
    });
  },
};
