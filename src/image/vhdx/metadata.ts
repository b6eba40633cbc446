import type { ReadableFile } from '../../host/open-file.js';
import { formatSize } from '../../util/units.js';
import { u64, uuidAt, viewOf } from '../fields.js';
import { malformed, unsupported } from '../refusal.js';
import { windowsName } from '../windows-name.js';
import { MIB, signatureIs, type VhdxRegion } from './header.js';

// [MS-VHDX] 2.6: a table of items with the size of the disk and of its blocks. Numbers are little-endian.

const TABLE_BYTES = 64 << 10;
const ITEMS_MAX = 2047;
/** Known items are smaller; a parent locator has a few paths. */
const ITEM_BYTES_MAX = MIB;

const FILE_PARAMETERS = 'caa16737-fa36-4d43-b3b6-33f0aa44e76b';
const DISK_SIZE = '2fa54224-cd1b-4876-b211-5dbed83bf4b8';
const DISK_ID = 'beca12ab-b2e6-4523-93ef-c309e000c746';
const LOGICAL_SECTOR_SIZE = '8141bf1d-a96f-4709-ba47-f233a8faab5f';
const PHYSICAL_SECTOR_SIZE = 'cda348c7-445d-4471-9cc9-e9885251c556';
const PARENT_LOCATOR = 'a8d35f2d-b30b-454d-abf7-d3d84834ab0c';
/** Known items, and the bytes that are read of them. */
const KNOWN: Readonly<Record<string, number>> = {
  [FILE_PARAMETERS]: 8,
  [DISK_SIZE]: 8,
  [DISK_ID]: 16,
  [LOGICAL_SECTOR_SIZE]: 4,
  [PHYSICAL_SECTOR_SIZE]: 4,
  [PARENT_LOCATOR]: 20,
};
const VHDX_PARENT = 'b04aefb7-d19e-4a81-b789-25b8e9445913';

/** Sizes are bytes. */
export interface VhdxMetadataItems {
  size: number;
  blockBytes: number;
  /** What a bit of a bitmap stands for: 512 or 4096. */
  sectorBytes: number;
  /** Blocks are never given back. */
  isFixed: boolean;
  /** Of a differencing image: identities that the parent may have, and names that may lead there. */
  parent: { ids: string[]; names: string[] } | null;
}

/** @throws SluiceError exit code 3: EINVAL for broken metadata, ENOTSUP for what we cannot read */
export function readMetadata(file: ReadableFile, region: VhdxRegion): VhdxMetadataItems {
  const { path } = file;
  const items = readItems(file, region);
  const need = (id: string, what: string): DataView => {
    const item = items.get(id);
    if (item === undefined) throw malformed(path, `its metadata has no ${what}`);
    return viewOf(item);
  };
  const parameters = need(FILE_PARAMETERS, 'file parameters');
  const blockBytes = parameters.getUint32(0, true);
  const isPower = Number.isInteger(Math.log2(blockBytes));
  if (!isPower || blockBytes < MIB || blockBytes > 256 * MIB) {
    throw malformed(path, `blocks of ${formatSize(blockBytes)} are not possible`);
  }
  const sectorBytes = need(LOGICAL_SECTOR_SIZE, 'sector size').getUint32(0, true);
  if (sectorBytes !== 512 && sectorBytes !== 4096) {
    throw malformed(path, `sectors of ${sectorBytes} bytes are not possible`);
  }
  const size = u64(need(DISK_SIZE, 'disk size'), 0, true);
  if (size % sectorBytes !== 0) throw malformed(path, `its size ${size} is not of whole sectors`);
  const flags = parameters.getUint32(4, true);
  const hasParent = (flags & 2) !== 0;
  const locator = hasParent ? need(PARENT_LOCATOR, 'parent locator') : null;
  const parent = locator && readParent(path, locator);
  return { size, blockBytes, sectorBytes, isFixed: (flags & 1) !== 0, parent };
}

/** The items by their identities. */
function readItems(file: ReadableFile, { offset, bytes }: VhdxRegion): Map<string, Uint8Array> {
  const { path } = file;
  const table = file.read(offset, TABLE_BYTES);
  const view = viewOf(table);
  const count = view.getUint16(10, true);
  if (!signatureIs(table, 0, 'metadata') || count > ITEMS_MAX) {
    throw malformed(path, 'its table of metadata is broken');
  }
  const items = new Map<string, Uint8Array>();
  for (let index = 0; index < count; index++) {
    const at = 32 + index * 32;
    const id = uuidAt(view, at, true);
    const flags = view.getUint32(at + 24, true);
    const least = KNOWN[id];
    if (least === undefined) {
      if ((flags & 4) !== 0)
        throw unsupported(path, `it has metadata that is not known here, ${id}`);
      continue;
    }
    const [from, length] = [view.getUint32(at + 16, true), view.getUint32(at + 20, true)];
    const isInside = from >= TABLE_BYTES && from + length <= bytes;
    if (!isInside || length < least || length > ITEM_BYTES_MAX || items.has(id)) {
      throw malformed(path, `its metadata ${id} is broken`);
    }
    items.set(id, file.read(offset + from, length));
  }
  return items;
}

/** Keys with names of the parent, the most exact first. */
const NAME_KEYS = ['relative_path', 'absolute_win32_path', 'volume_path'];
const ID_KEYS = ['parent_linkage', 'parent_linkage2'];

function readParent(path: string, view: DataView): { ids: string[]; names: string[] } {
  const type = uuidAt(view, 0, true);
  if (type !== VHDX_PARENT) throw unsupported(path, `its parent is told in another way, ${type}`);
  const count = view.getUint16(18, true);
  if (20 + count * 12 > view.byteLength) throw malformed(path, 'its parent locator is broken');
  const values = new Map<string, string>();
  for (let index = 0; index < count; index++) {
    const at = 20 + index * 12;
    const text = (offset: number, bytes: number): string => {
      if (offset + bytes > view.byteLength) throw malformed(path, 'its parent locator is broken');
      return new TextDecoder('utf-16le').decode(
        new Uint8Array(view.buffer, view.byteOffset + offset, bytes),
      );
    };
    const key = text(view.getUint32(at, true), view.getUint16(at + 8, true));
    values.set(key, text(view.getUint32(at + 4, true), view.getUint16(at + 10, true)));
  }
  const of = (keys: string[]): string[] => keys.map((key) => values.get(key) ?? '').filter(Boolean);
  const names = of(NAME_KEYS).filter((name) => !/[\0\uFFFD]/.test(name));
  const ids = of(ID_KEYS).map((id) => id.replaceAll(/[{}]/g, '').toLowerCase());
  if (ids.length === 0) throw malformed(path, 'it does not tell the identity of its parent');
  return { ids, names: [...new Set(names.map(windowsName))] };
}
