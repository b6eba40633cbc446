import { BlockLayer, type EntryRule, HOLE, INVALID } from '../block-layer.js';
import type { BlockTable } from '../block-table.js';
import { FlatLayer } from '../flat-layer.js';
import type { Format } from '../format.js';
import { InPlaceWriter } from '../in-place-writer.js';
import { cutAtSectors, type SectorBits } from '../sector-bitmap.js';
import { DYNAMIC_HEADER_BYTES } from './dynamic-header.js';
import { FOOTER_BYTES, isVhd } from './footer.js';
import { openVhd, type VhdMetadata } from './open-image.js';

const BITS: SectorBits = { order: 'high-first', sectorBytes: 512 };
/** Entry of a block that is not there. */
const UNUSED = 0xffffffff;
/** No block begins before this sector: the copy of the footer and the header are there. */
const FIRST_SECTOR = (FOOTER_BYTES + DYNAMIC_HEADER_BYTES) / 512;

/** The format of Virtual PC, and of Hyper-V before VHDX. */
export const vhd: Format = {
  name: 'vhd',
  qemuName: 'vpc',
  probe: isVhd,
  open: openVhd,
  hasMetadata: true,
  makeLayer: ({ metadata }, [file], io) => {
    const { size, dynamic } = metadata as VhdMetadata;
    if (dynamic === null) return new FlatLayer(file!, 0, size);
    const { table, bitmapBytes } = dynamic;
    const bitmapSlices = bitmapBytes / table.sliceBytes;
    const rule = ruleOf(table, bitmapBytes);
    return new BlockLayer(table, rule, file!, io, { more: table.tableEntries * bitmapSlices });
  },
  makeWriter: (layers, _config, _file, io) => new InPlaceWriter(layers, io),
};

/** An entry is the sector where the bitmap of the block begins, which the block follows. */
function ruleOf({ sliceBytes }: BlockTable, bitmapBytes: number): EntryRule {
  return {
    place: (words, at) => {
      const sector = words[at]!;
      if (sector === UNUSED) return HOLE;
      return sector < FIRST_SECTOR ? INVALID : sector * 512 + bitmapBytes;
    },
    // A sector whose bit is 0 was never written: it is in the parent, and without one reads as zeros.
    cut: (layer, block, _at, inBlock, extent) => {
      const slice = layer.slices + block * (bitmapBytes / sliceBytes);
      const bitmapAt = extent.offset - inBlock - bitmapBytes;
      const sector = Math.floor(inBlock / 512);
      cutAtSectors(layer, BITS, slice, bitmapAt, sector, inBlock % 512, extent);
    },
  };
}
