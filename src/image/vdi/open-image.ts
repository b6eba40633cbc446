import type { HostFile } from '../../host/host-file.js';
import { formatSize } from '../../util/units.js';
import { HOLE, ZEROS } from '../block-layer.js';
import { type BlockTable, oneTable } from '../block-table.js';
import { roundUpToSector } from '../extent.js';
import { NO_UUID } from '../fields.js';
import type { BackingName, OpenHow, OpenImage } from '../format.js';
import { notWritable, refuseSnapshot } from '../refusal.js';
import { parseVdiHeader, VDI_HEADER_BYTES, type VdiHeader } from './header.js';

/** The metadata of a layer, as `LayerConfig` has it. */
export interface VdiMetadata {
  table: BlockTable;
  header: VdiHeader;
}

/** A number in the map from which on there is no block. */
const FREE = 0xffffffff;
const ZERO_BLOCK = 0xfffffffe;

/** See `Format.open`. */
export function openVdi(file: HostFile, { snapshot }: OpenHow): OpenImage {
  const { path } = file;
  refuseSnapshot(path, snapshot, 'a VDI image');
  const header = parseVdiHeader(path, file.read(0, VDI_HEADER_BYTES));
  const { type, blockBytes, id, changeId } = header;
  const size = roundUpToSector(header.size);
  const table = oneTable(file, {
    size,
    blockBytes,
    order: 'little-endian',
    offset: header.mapOffset,
    entries: header.blocks,
    hasBacking: type === 'differencing',
  });
  return {
    size,
    backing: backingOf(header),
    identities: [id, changed(id, changeId)],
    dataFiles: [],
    unitBytes: 512,
    canGrow: false,
    methods: [],
    metadata: { table, header } satisfies VdiMetadata,
    hasSparseData: () => type === 'static',
    describe: () => ({
      features: { type, blockSize: blockBytes, uuid: id },
      lines: [['features', `${type}, ${formatSize(blockBytes)} blocks, UUID ${id}`]],
      snapshots: [],
      problems: [],
    }),
    prepareWriting: async () => {
      throw notWritable(path, `a ${type} VDI image`);
    },
  };
}

/** VirtualBox keeps the place of the image below outside the image. */
function backingOf({ type, parentId, parentChangeId }: VdiHeader): BackingName | null {
  if (type !== 'differencing') return null;
  const isChangeKnown = parentChangeId !== NO_UUID;
  const wanted = isChangeKnown ? changed(parentId, parentChangeId) : parentId;
  return { names: [], format: 'vdi', identities: [wanted] };
}

/** An image as it was after a change. */
function changed(id: string, changeId: string): string {
  return `${id} (content ${changeId})`;
}

/** What an entry of the map says; see `EntryRule.place`. */
export function placeOf({ dataOffset, blockBytes }: VdiHeader, entry: number): number {
  if (entry === FREE) return HOLE;
  return entry === ZERO_BLOCK ? ZEROS : dataOffset + entry * blockBytes;
}
