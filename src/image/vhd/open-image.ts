import type { HostFile } from '../../host/host-file.js';
import { formatSize, SIZE_MAX } from '../../util/units.js';
import { roundUpToSector } from '../extent.js';
import type { OpenHow, OpenImage } from '../format.js';
import { malformed, notWritable, refuseSnapshot } from '../refusal.js';
import { type DynamicHeader, readDynamicHeader } from './dynamic-header.js';
import { readFooter } from './footer.js';

/** The metadata of a layer, as `LayerConfig` has it. */
export interface VhdMetadata {
  /** Virtual size, bytes. */
  size: number;
  /** Null for a fixed image. */
  dynamic: Pick<DynamicHeader, 'table' | 'bitmapBytes'> | null;
}

/** See `Format.open`. */
export function openVhd(file: HostFile, { snapshot }: OpenHow): OpenImage {
  const { path } = file;
  refuseSnapshot(path, snapshot, 'a VHD image');
  const footer = readFooter(file);
  const { type, id, creator } = footer;
  const size = roundUpToSector(footer.size);
  if (size > SIZE_MAX) throw malformed(path, 'its virtual size is above 2^53 bytes');
  if (type === 'fixed' && size > footer.offset) throw malformed(path, 'its data is cut off');
  const header = type === 'fixed' ? null : readDynamicHeader(file, footer, size);
  const parent = header?.parent ?? null;
  const blockSize = header?.table.blockBytes ?? null;
  const blocks = blockSize === null ? '' : `, ${formatSize(blockSize)} blocks`;
  const isCopy = type !== 'fixed' && footer.offset === 0;
  return {
    size,
    backing: parent && { names: parent.names, format: 'vhd', identities: [parent.id] },
    identities: [id],
    dataFiles: [],
    unitBytes: unitOf(header),
    canGrow: false,
    methods: [],
    metadata: { size, dynamic: header } satisfies VhdMetadata,
    hasSparseData: () => type === 'fixed',
    describe: () => ({
      features: { type, blockSize, creator, uuid: id },
      lines: [['features', `${type}${blocks}, made by "${creator}", UUID ${id}`]],
      snapshots: [],
      problems: isCopy ? ['its footer is broken; the copy at the beginning is used'] : [],
    }),
    checkWriting: () => {
      if (type !== 'fixed') throw notWritable(path, `a ${type} VHD image`);
    },
    prepareWriting: async () => ({}),
  };
}

/** Blocks, bitmaps and usually the table begin at a sector. */
function unitOf(header: DynamicHeader | null): number {
  if (header === null) return Number.POSITIVE_INFINITY;
  return header.table.tables[0]! % 512 === 0 ? 512 : 1;
}
