import type { ReadableFile } from '../../host/open-file.js';
import { u64, uuidAt, viewOf } from '../fields.js';
import { malformed, unsupported } from '../refusal.js';
import { isSound } from './crc32c.js';

// [MS-VHDX] 2.2: the first MiB of a file. Numbers are little-endian.

export const MIB = 1 << 20;

const FILE_SIGNATURE = 'vhdxfile';
const HEADERS_AT = [64 << 10, 128 << 10] as const;
const HEADER_BYTES = 4096;
const HEADER_SIGNATURE = 'head';
const REGIONS_AT = [192 << 10, 256 << 10] as const;
const REGIONS_BYTES = 64 << 10;
const REGIONS_SIGNATURE = 'regi';
const REGIONS_MAX = 2047;

const TABLE_REGION = '2dc27766-f623-4200-9d64-115e9bfd4a08';
const METADATA_REGION = '8b7ca206-4790-4b9a-b8fe-575f050f886e';

/** The current header. Offsets and sizes are bytes. */
export interface VhdxHeader {
  /** Becomes another one when the contents of the disk are changed. */
  dataId: string;
  /** The log is of this one; NO_UUID: it is empty. */
  logId: string;
  logOffset: number;
  logBytes: number;
}

export function isVhdx(head: Uint8Array): boolean {
  return signatureIs(head, 0, FILE_SIGNATURE);
}

export function signatureIs(bytes: Uint8Array, at: number, signature: string): boolean {
  const text = Buffer.from(bytes.subarray(at, at + signature.length)).toString('latin1');
  return text === signature;
}

/**
 * The header with the higher sequence number, of those whose checksum is right.
 *
 * @throws SluiceError exit code 3: EINVAL for a broken file, ENOTSUP for what we cannot read
 */
export function readVhdxHeader(file: ReadableFile): VhdxHeader {
  const { path } = file;
  if (!isVhdx(file.read(0, FILE_SIGNATURE.length))) throw malformed(path, 'not a VHDX image');
  let newest: DataView | null = null;
  for (const at of HEADERS_AT) {
    const bytes = file.read(at, HEADER_BYTES);
    if (!signatureIs(bytes, 0, HEADER_SIGNATURE) || !isSound(bytes)) continue;
    const view = viewOf(bytes);
    if (newest === null || view.getBigUint64(8, true) > newest.getBigUint64(8, true)) newest = view;
  }
  if (newest === null) throw malformed(path, 'neither of its headers has a right checksum');
  const [logVersion, version] = [newest.getUint16(64, true), newest.getUint16(66, true)];
  if (version !== 1 || logVersion !== 0) {
    throw unsupported(path, `VHDX version ${version}, log version ${logVersion}; only 1 and 0 are`);
  }
  return {
    dataId: uuidAt(newest, 32, true),
    logId: uuidAt(newest, 48, true),
    logBytes: newest.getUint32(68, true),
    logOffset: u64(newest, 72, true),
  };
}

/** A range of the file. */
export interface VhdxRegion {
  offset: number;
  bytes: number;
}

/**
 * The places of the table of blocks and of the metadata, from the first region table with a right
 * checksum.
 *
 * @throws SluiceError as `readVhdxHeader`
 */
export function readRegions(file: ReadableFile): { table: VhdxRegion; metadata: VhdxRegion } {
  const { path } = file;
  const bytes = REGIONS_AT.map((at) => file.read(at, REGIONS_BYTES)).find((one) => {
    return signatureIs(one, 0, REGIONS_SIGNATURE) && isSound(one);
  });
  if (bytes === undefined)
    throw malformed(path, 'neither of its region tables has a right checksum');
  const view = viewOf(bytes);
  const count = view.getUint32(8, true);
  if (count > REGIONS_MAX) throw malformed(path, `its region table has ${count} entries`);
  const regions = new Map<string, VhdxRegion>();
  for (let index = 0; index < count; index++) {
    const at = 16 + index * 32;
    const id = uuidAt(view, at, true);
    const region = { offset: u64(view, at + 16, true), bytes: view.getUint32(at + 24, true) };
    const isKnown = id === TABLE_REGION || id === METADATA_REGION;
    if (!isKnown && (view.getUint32(at + 28, true) & 1) !== 0) {
      throw unsupported(path, `it has a region that is not known here, ${id}`);
    }
    if (region.offset < MIB || region.offset % MIB !== 0) {
      if (isKnown) throw malformed(path, `its region ${id} does not begin at a MiB`);
    }
    if (regions.has(id)) throw malformed(path, `it has the region ${id} twice`);
    regions.set(id, region);
  }
  const [table, metadata] = [regions.get(TABLE_REGION), regions.get(METADATA_REGION)];
  if (table === undefined) throw malformed(path, 'it has no table of blocks');
  if (metadata === undefined) throw malformed(path, 'it has no metadata');
  return { table, metadata };
}
