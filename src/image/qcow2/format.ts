import type { Format } from '../format.js';
import { REFCOUNT_SHARE } from '../image-config.js';
import { REDO_LOG_BYTES, RedoLog } from '../redo-log.js';
import { makeSliceCache } from '../slice-cache.js';
import { ChangeLog } from './change-log.js';
import { createOverlay } from './create-overlay.js';
import { geometryOf } from './layout.js';
import { openImage, type QcowMetadata } from './open-image.js';
import { isQcow } from './parse-header.js';
import { QcowLayer } from './qcow-layer.js';
import { QcowWriter } from './qcow-writer.js';
import type { WritePart } from './read-for-writing.js';
import { QcowWrites } from './writes.js';

/** Logical blocks of a device are no larger. They are the smallest ranges that can be zeroed there. */
const DEVICE_HOLE_BYTES = 4096;

/** QEMU's image format: clusters found by tables, with refcounts, snapshots and backing files. */
export const qcow2: Format = {
  name: 'qcow2',
  probe: isQcow,
  open: openImage,
  create: createOverlay,
  hasMetadata: true,
  changesHands: true,
  hasRedoLog: true,
  makeLayer: ({ metadata }, [file, dataFile = file], io) => {
    const { layout, l1 } = metadata as QcowMetadata;
    const { sliceBytes, sliceCoverage } = geometryOf(layout);
    const slices = Math.ceil(layout.size / sliceCoverage);
    const cache = makeSliceCache(slices, sliceBytes, 'big-endian', io);
    return new QcowLayer(layout, l1, cache, file!, dataFile!);
  },
  makeWriter: (layers, { layers: configs, writing, cacheBytes, blockDevice, redo }, file, io) => {
    const layer = layers.top as QcowLayer;
    const { hostSize } = configs[0]!;
    const part = writing as WritePart;
    // An eighth is for refcounts; the slices of L2 tables have the rest.
    const log =
      redo === undefined
        ? null
        : new ChangeLog(new RedoLog(io.mappings.share(redo, REDO_LOG_BYTES)));
    const writer = new QcowWriter(layer, part, hostSize, cacheBytes * REFCOUNT_SHARE, log);
    const own = { file, hostSize, holeUnit: blockDevice ? DEVICE_HOLE_BYTES : 1 };
    return new QcowWrites(layers, writer, own, io);
  },
};
