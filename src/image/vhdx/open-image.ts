import type { HostFile } from '../../host/host-file.js';
import { formatSize } from '../../util/units.js';
import { type BlockTable, oneTable } from '../block-table.js';
import type { OpenHow, OpenImage } from '../format.js';
import { refuseSnapshot } from '../refusal.js';
import { MIB, readRegions, readVhdxHeader } from './header.js';
import { type Pages, replayed, replayLog } from './log.js';
import { readMetadata } from './metadata.js';

/** Sectors whose bits fill a bitmap, which is 1 MiB. */
export const BITMAP_SECTORS = 8 * MIB;

/** The metadata of a layer, as `LayerConfig` has it. */
export interface VhdxMetadata {
  table: BlockTable;
  sectorBytes: number;
  /** Pages of the tables as the log changes them. */
  pages: Pages;
}

/** See `Format.open`. */
export function openVhdx(file: HostFile, { snapshot }: OpenHow): OpenImage {
  const { path } = file;
  refuseSnapshot(path, snapshot, 'a VHDX image');
  const header = readVhdxHeader(file);
  const replay = replayLog(file, header);
  const source = replayed(file, replay);
  const regions = readRegions(source);
  const { size, blockBytes, sectorBytes, isFixed, parent } = readMetadata(source, regions.metadata);
  const table = oneTable(source, {
    ...{ size, blockBytes, order: 'little-endian', entryBytes: 8 },
    offset: regions.table.offset,
    entries: Math.floor(regions.table.bytes / 8),
    groupBlocks: (BITMAP_SECTORS * sectorBytes) / blockBytes,
    hasBacking: parent !== null,
  });
  const type = parent !== null ? 'differencing' : isFixed ? 'fixed' : 'dynamic';
  const { entries, isLost } = replay;
  const lines: [string, string][] = [
    ['features', `${type}, ${formatSize(blockBytes)} blocks, ${sectorBytes}-byte sectors`],
  ];
  if (entries > 0)
    lines.push(['log', `not written yet: ${entries} entries are replayed in memory`]);
  return {
    size,
    backing: parent && { names: parent.names, format: 'vhdx', identities: parent.ids },
    identities: [header.dataId],
    dataFiles: [],
    unitBytes: parent === null ? blockBytes : sectorBytes,
    canGrow: false,
    methods: [],
    metadata: { table, sectorBytes, pages: replay.pages } satisfies VhdxMetadata,
    hasSparseData: () => false,
    describe: () => ({
      features: { type, blockSize: blockBytes, sectorSize: sectorBytes, replayedEntries: entries },
      lines,
      snapshots: [],
      problems: isLost ? ['it was not closed, and its log has no entry with a right checksum'] : [],
    }),
  };
}
