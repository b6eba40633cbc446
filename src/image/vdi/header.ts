import { u64, uuidAt, viewOf } from '../fields.js';
import { malformed, unsupported } from '../refusal.js';

// VirtualBox: src/VBox/Storage/VDICore.h. All numbers are little-endian.

/** Bytes of the header with all of its fields. */
export const VDI_HEADER_BYTES = 512;

const SIGNATURE = 0xbeda107f;
const SIGNATURE_AT = 64;
const VERSION_AT = 68;
const TYPE_AT = 76;
const MAP_AT = 340;
const DATA_AT = 344;
const SECTOR_SIZE_AT = 360;
const DISK_SIZE_AT = 368;
const BLOCK_SIZE_AT = 376;
const BLOCK_EXTRA_AT = 380;
const BLOCKS_AT = 384;
const ID_AT = 392;
/** Place of the UUID that becomes another one when the image is changed. */
export const CHANGE_ID_AT = 408;
const PARENT_ID_AT = 424;
const PARENT_CHANGE_ID_AT = 440;

const VERSION = '1.1';

/** What the blocks of an image are, and what those that are missing read as. */
export type VdiType = 'dynamic' | 'static' | 'differencing';

/** Types by their numbers. */
const TYPES: Readonly<Record<number, VdiType>> = { 1: 'dynamic', 2: 'static', 4: 'differencing' };

/** The header of an image, decoded and checked. Plain data. Offsets and sizes are bytes. */
export interface VdiHeader {
  type: VdiType;
  /** Virtual size as in the header. */
  size: number;
  blockBytes: number;
  /** Number of blocks, each with an entry in the map. */
  blocks: number;
  mapOffset: number;
  dataOffset: number;
  id: string;
  /** Becomes another one when the image is changed. */
  changeId: string;
  /** NO_UUID for none. */
  parentId: string;
  parentChangeId: string;
}

/** True if the bytes begin like an image of VirtualBox, of any version. */
export function isVdi(head: Uint8Array): boolean {
  return (
    head.length >= SIGNATURE_AT + 4 && viewOf(head).getUint32(SIGNATURE_AT, true) === SIGNATURE
  );
}

/**
 * Decodes and checks a header.
 *
 * @param head The first VDI_HEADER_BYTES bytes, zeros behind the end of the file.
 * @throws SluiceError exit code 3: EINVAL for a broken header, ENOTSUP for what we cannot read
 */
export function parseVdiHeader(path: string, head: Uint8Array): VdiHeader {
  if (!isVdi(head)) throw malformed(path, 'not a VDI image');
  const view = viewOf(head);
  const version = `${view.getUint16(VERSION_AT + 2, true)}.${view.getUint16(VERSION_AT, true)}`;
  if (version !== VERSION) {
    throw unsupported(path, `VDI version ${version} is not supported; version ${VERSION} is`);
  }
  const sectorBytes = view.getUint32(SECTOR_SIZE_AT, true);
  if (sectorBytes !== 512) throw unsupported(path, `sectors of ${sectorBytes} bytes`);
  if (view.getUint32(BLOCK_EXTRA_AT, true) !== 0) {
    throw unsupported(path, 'its blocks have extra bytes before their data');
  }
  const number = view.getUint32(TYPE_AT, true);
  const type = TYPES[number];
  if (type === undefined) throw unsupported(path, `VDI images of type ${number} are not supported`);
  const dataOffset = view.getUint32(DATA_AT, true);
  if (dataOffset % 512 !== 0) throw malformed(path, 'its data does not begin at a sector');
  return {
    type,
    size: u64(view, DISK_SIZE_AT, true),
    blockBytes: view.getUint32(BLOCK_SIZE_AT, true),
    blocks: view.getUint32(BLOCKS_AT, true),
    mapOffset: view.getUint32(MAP_AT, true),
    dataOffset,
    id: uuidAt(view, ID_AT, true),
    changeId: uuidAt(view, CHANGE_ID_AT, true),
    parentId: uuidAt(view, PARENT_ID_AT, true),
    parentChangeId: uuidAt(view, PARENT_CHANGE_ID_AT, true),
  };
}
