import { randomUUID } from 'node:crypto';
import type { HostFile } from '../../host/host-file.js';
import { formatSize } from '../../util/units.js';
import { HOLE, ZEROS } from '../block-layer.js';
import { type BlockTable, oneTable } from '../block-table.js';
import type { NewContentId } from '../content-id.js';
import { roundUpToSector } from '../extent.js';
import { NO_UUID, viewOf } from '../fields.js';
import type { BackingName, OpenHow, OpenImage } from '../format.js';
import { notWritable, refuseSnapshot } from '../refusal.js';
import { CHANGE_ID_AT, parseVdiHeader, VDI_HEADER_BYTES, type VdiHeader } from './header.js';

/** The metadata of a layer, as `LayerConfig` has it. */
export interface VdiMetadata {
  table: BlockTable;
  header: VdiHeader;
  /** All blocks are there, in their order: that is known of an image that is written. */
  isFlat: boolean;
}

/** What writing a static image needs. Plain data. */
export interface VdiWriting {
  contentId: NewContentId;
}

/** A number in the map from which on there is no block. */
const FREE = 0xffffffff;
const ZERO_BLOCK = 0xfffffffe;
/** Entries of the map that are read at a time. */
const PIECE_ENTRIES = 1 << 18;

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
  let isFlat = false;
  return {
    size,
    backing: backingOf(header),
    identities: [id, changed(id, changeId)],
    dataFiles: [],
    unitBytes: header.mapOffset % 512 === 0 ? 512 : 1,
    canGrow: false,
    methods: [],
    get metadata(): VdiMetadata {
      return { table, header, isFlat };
    },
    hasSparseData: () => type === 'static',
    describe: () => ({
      features: { type, blockSize: blockBytes, uuid: id },
      lines: [['features', `${type}, ${formatSize(blockBytes)} blocks, UUID ${id}`]],
      snapshots: [],
      problems: [],
    }),
    checkWriting: () => {
      if (type !== 'static') throw notWritable(path, `a ${type} VDI image`);
      if (!isInOrder(file, table, header)) {
        throw notWritable(
          path,
          'a static VDI image that lacks blocks, or has them in another order,',
        );
      }
    },
    prepareWriting: async (): Promise<VdiWriting> => {
      isFlat = true;
      const text = Buffer.from(randomUUID().replaceAll('-', ''), 'hex').toString('latin1');
      return { contentId: { offset: CHANGE_ID_AT, text } };
    },
  };
}

/** Does the file have all blocks, one behind the other? */
function isInOrder(file: HostFile, { size }: BlockTable, header: VdiHeader): boolean {
  const { mapOffset, dataOffset, blockBytes } = header;
  if (dataOffset + size > file.size) return false;
  const blocks = Math.ceil(size / blockBytes);
  for (let from = 0; from < blocks; from += PIECE_ENTRIES) {
    const count = Math.min(PIECE_ENTRIES, blocks - from);
    const view = viewOf(file.read(mapOffset + from * 4, count * 4));
    for (let index = 0; index < count; index++) {
      if (view.getUint32(index * 4, true) !== from + index) return false;
    }
  }
  return true;
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
