import { BlockLayer } from '../block-layer.js';
import type { Format } from '../format.js';
import { bitmapSlices, ruleOf } from './entry-rule.js';
import { isVhdx } from './header.js';
import { patch } from './log.js';
import { openVhdx, type VhdxMetadata } from './open-image.js';

/** Hyper-V's format. */
export const vhdx: Format = {
  name: 'vhdx',
  probe: isVhdx,
  open: openVhdx,
  hasMetadata: true,
  makeLayer: ({ metadata }, [file], io) => {
    const vhdx = metadata as VhdxMetadata;
    const replay = (offset: number, bytes: Uint8Array): void => patch(vhdx.pages, offset, bytes);
    const more = { more: bitmapSlices(vhdx), patch: replay };
    return new BlockLayer(vhdx.table, ruleOf(vhdx), file!, io, more);
  },
};
