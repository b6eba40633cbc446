import { BlockLayer } from '../block-layer.js';
import { writeContentId } from '../content-id.js';
import { FlatLayer } from '../flat-layer.js';
import type { Format } from '../format.js';
import { InPlaceWriter } from '../in-place-writer.js';
import { isVdi } from './header.js';
import { openVdi, placeOf, type VdiMetadata, type VdiWriting } from './open-image.js';

/** VirtualBox's format: a header and one map of blocks. */
export const vdi: Format = {
  name: 'vdi',
  probe: isVdi,
  open: openVdi,
  hasMetadata: true,
  makeLayer: ({ metadata }, [file], io) => {
    const { table, header, isFlat } = metadata as VdiMetadata;
    if (isFlat) return new FlatLayer(file!, header.dataOffset, table.size);
    const place = (words: Uint32Array, at: number): number => placeOf(header, words[at]!);
    return new BlockLayer(table, { place }, file!, io);
  },
  makeWriter: (layers, { layers: configs, writing, alignment }, file, io) => {
    const { contentId } = writing as VdiWriting;
    const { hostSize } = configs[0]!;
    return new InPlaceWriter(layers, io, (request) => {
      return writeContentId(request, io.engine, file, hostSize, alignment, contentId);
    });
  },
};
