/**
 * Images as Hyper-V makes them, from the layout in [MS-VHDX], with literal offsets: header at 64 KiB, a
 * log at 1 MiB, metadata at 2 MiB, table of blocks at 3 MiB, blocks from 4 MiB on.
 */

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { pattern, TMPFS, tempFolder } from '../../helpers/temp.js';

export const MIB = 1 << 20;
export const BLOCK = 1 << 20;
export const LOG_ID = '00112233445566778899aabbccddeeff';
export const DATA_ID = 'ffeeddccbbaa99887766554433221100';
export const DATA_ID_TEXT = 'ccddeeff-aabb-8899-7766-554433221100';
const NO_ID = '00'.repeat(16);

/** CRC-32C, bit by bit. */
export function crcOf(bytes: Buffer): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ ((crc & 1) === 1 ? 0x82f63b78 : 0);
  }
  return ~crc >>> 0;
}

/** Puts the checksum of a structure into its second word, which is zero before. */
function sealed(bytes: Buffer): Buffer {
  bytes.writeUInt32LE(0, 4);
  bytes.writeUInt32LE(crcOf(bytes), 4);
  return bytes;
}

/** A GUID from its text, as it is stored. */
function guid(text: string): Buffer {
  const bytes = Buffer.from(text.replaceAll('-', ''), 'hex');
  bytes.subarray(0, 4).reverse();
  bytes.subarray(4, 6).reverse();
  bytes.subarray(6, 8).reverse();
  return bytes;
}

export interface HeaderFields {
  sequence?: bigint;
  version?: number;
  logVersion?: number;
  dataId?: string;
  logId?: string;
  logBytes?: number;
  logOffset?: bigint;
}

export function headerOf(fields: HeaderFields = {}): Buffer {
  const header = Buffer.alloc(4096);
  header.write('head', 0, 'latin1');
  header.writeBigUInt64LE(fields.sequence ?? 7n, 8);
  header.write(fields.dataId ?? DATA_ID, 32, 'hex');
  header.write(fields.logId ?? NO_ID, 48, 'hex');
  header.writeUInt16LE(fields.logVersion ?? 0, 64);
  header.writeUInt16LE(fields.version ?? 1, 66);
  header.writeUInt32LE(fields.logBytes ?? MIB, 68);
  header.writeBigUInt64LE(fields.logOffset ?? BigInt(MIB), 72);
  return sealed(header);
}

export type Region = readonly [id: string, offset: bigint, bytes: number, required?: number];

export const REGIONS: readonly Region[] = [
  ['2DC27766-F623-4200-9D64-115E9BFD4A08', BigInt(3 * MIB), MIB, 1],
  ['8B7CA206-4790-4B9A-B8FE-575F050F886E', BigInt(2 * MIB), MIB, 1],
];

export function regionTableOf(regions: readonly Region[] = REGIONS): Buffer {
  const table = Buffer.alloc(65536);
  table.write('regi', 0, 'latin1');
  table.writeUInt32LE(regions.length, 8);
  for (const [index, [id, offset, bytes, required = 0]] of regions.entries()) {
    const at = 16 + index * 32;
    guid(id).copy(table, at);
    table.writeBigUInt64LE(offset, at + 16);
    table.writeUInt32LE(bytes, at + 24);
    table.writeUInt32LE(required, at + 28);
  }
  return sealed(table);
}

export type Item = readonly [id: string, data: Buffer, flags?: number];

function number(bytes: 4 | 8, value: number): Buffer {
  const data = Buffer.alloc(bytes);
  if (bytes === 4) data.writeUInt32LE(value);
  else data.writeBigUInt64LE(BigInt(value));
  return data;
}

export interface DiskFields {
  size?: number;
  blockBytes?: number;
  /** Bit 0: fixed, bit 1: it has a parent. */
  flags?: number;
  sectorBytes?: number;
  /** Keys and values of the parent locator. */
  parent?: Readonly<Record<string, string>>;
  more?: readonly Item[];
}

/** The parent locator: its strings follow the table of their places. */
function locatorOf(values: Readonly<Record<string, string>>): Buffer {
  const list = Object.entries(values);
  const head = Buffer.alloc(20 + list.length * 12);
  guid('B04AEFB7-D19E-4A81-B789-25B8E9445913').copy(head);
  head.writeUInt16LE(list.length, 18);
  let strings = Buffer.alloc(0);
  for (const [index, pair] of list.entries()) {
    for (const [which, text] of pair.entries()) {
      const bytes = Buffer.from(text, 'utf16le');
      head.writeUInt32LE(head.length + strings.length, 20 + index * 12 + which * 4);
      head.writeUInt16LE(bytes.length, 20 + index * 12 + 8 + which * 2);
      strings = Buffer.concat([strings, bytes]);
    }
  }
  return Buffer.concat([head, strings]);
}

export function itemsOf(fields: DiskFields = {}): Item[] {
  const parameters = Buffer.concat([
    number(4, fields.blockBytes ?? BLOCK),
    number(4, fields.flags ?? (fields.parent === undefined ? 0 : 2)),
  ]);
  return [
    ['CAA16737-FA36-4D43-B3B6-33F0AA44E76B', parameters, 4],
    ['2FA54224-CD1B-4876-B211-5DBED83BF4B8', number(8, fields.size ?? 3 * BLOCK), 6],
    ['BECA12AB-B2E6-4523-93EF-C309E000C746', Buffer.alloc(16, 1), 6],
    ['8141BF1D-A96F-4709-BA47-F233A8FAAB5F', number(4, fields.sectorBytes ?? 512), 6],
    ['CDA348C7-445D-4471-9CC9-E9885251C556', number(4, 4096), 6],
    ...(fields.parent === undefined
      ? []
      : [['A8D35F2D-B30B-454D-ABF7-D3D84834AB0C', locatorOf(fields.parent), 4] as const]),
    ...(fields.more ?? []),
  ];
}

/** The region of the metadata, as much as is used: a table of 64 KiB, then the items. */
export function metadataOf(items: readonly Item[]): Buffer {
  const table = Buffer.alloc(65536);
  table.write('metadata', 0, 'latin1');
  table.writeUInt16LE(items.length, 10);
  let data = Buffer.alloc(0);
  for (const [index, [id, bytes, flags = 0]] of items.entries()) {
    const at = 32 + index * 32;
    guid(id).copy(table, at);
    table.writeUInt32LE(65536 + data.length, at + 16);
    table.writeUInt32LE(bytes.length, at + 20);
    table.writeUInt32LE(flags, at + 24);
    data = Buffer.concat([data, bytes]);
  }
  return Buffer.concat([table, data]);
}

/** An entry of the table of blocks: a state, and a place in MiB. */
export function entryOf(state: number, mib = 0): bigint {
  return (BigInt(mib) << 20n) | BigInt(state);
}

export interface Parts {
  headers?: readonly [Buffer | null, Buffer | null];
  regions?: readonly [Buffer | null, Buffer | null];
  metadata?: Buffer;
  /** Entries of the table of blocks by their index. */
  table?: Readonly<Record<number, bigint>>;
  /** Bytes at other places. */
  data?: readonly (readonly [offset: number, bytes: Buffer])[];
  /** Bytes of the file at least. */
  size?: number;
}

export function makeVhdx(parts: Parts = {}): Buffer {
  const data = parts.data ?? [];
  const ends = data.map(([offset, bytes]) => offset + bytes.length);
  const file = Buffer.alloc(Math.max(4 * MIB, parts.size ?? 0, ...ends));
  file.write('vhdxfile', 0, 'latin1');
  const [header, copy] = parts.headers ?? [headerOf(), null];
  header?.copy(file, 65536);
  copy?.copy(file, 131072);
  const [regions, regionsCopy] = parts.regions ?? [regionTableOf(), regionTableOf()];
  regions?.copy(file, 196608);
  regionsCopy?.copy(file, 262144);
  (parts.metadata ?? metadataOf(itemsOf())).copy(file, 2 * MIB);
  for (const [index, entry] of Object.entries(parts.table ?? {})) {
    file.writeBigUInt64LE(entry, 3 * MIB + Number(index) * 8);
  }
  for (const [offset, bytes] of data) bytes.copy(file, offset);
  return file;
}

/** A change in a log: a page of the file, or a range of zeros. */
export type Change = readonly [offset: number, page: Buffer | { zeros: number }];

export interface EntryFields {
  sequence: bigint;
  /** Offset in the log of the oldest entry to replay. */
  tail: number;
  changes: readonly Change[];
  id?: string;
  flushed?: bigint;
  last?: bigint;
}

/** An entry of a log: header, descriptors, then a page for each change that has one. */
export function logEntryOf(fields: EntryFields): Buffer {
  const { sequence, changes } = fields;
  const pages = changes.flatMap(([, page]) => ('zeros' in page ? [] : [page]));
  const head = Buffer.alloc(Math.ceil((64 + changes.length * 32) / 4096) * 4096);
  head.write('loge', 0, 'latin1');
  head.writeUInt32LE(head.length + pages.length * 4096, 8);
  head.writeUInt32LE(fields.tail, 12);
  head.writeBigUInt64LE(sequence, 16);
  head.writeUInt32LE(changes.length, 24);
  head.write(fields.id ?? LOG_ID, 32, 'hex');
  head.writeBigUInt64LE(fields.flushed ?? 0n, 48);
  head.writeBigUInt64LE(fields.last ?? 0n, 56);
  for (const [index, [offset, page]] of changes.entries()) {
    const at = 64 + index * 32;
    if (!('zeros' in page)) {
      head.write('desc', at, 'latin1');
      page.copy(head, at + 4, 4092, 4096);
      page.copy(head, at + 8, 0, 8);
    } else {
      head.write('zero', at, 'latin1');
      head.writeBigUInt64LE(BigInt(page.zeros), at + 8);
    }
    head.writeBigUInt64LE(BigInt(offset), at + 16);
    head.writeBigUInt64LE(sequence, at + 24);
  }
  const sectors = pages.map((page) => {
    const sector = Buffer.from(page);
    sector.write('data', 0, 'latin1');
    sector.writeUInt32LE(Number(sequence >> 32n), 4);
    sector.writeUInt32LE(Number(sequence & 0xffffffffn), 4092);
    return sector;
  });
  return sealed(Buffer.concat([head, ...sectors]));
}

/** A base, and a differencing image over it in `vm/`, whose first block has some sectors of its own. */
export function makeTree(t: ExecutionContext, disk: DiskFields, child: Parts = {}): string {
  const folder = tempFolder(t, TMPFS);
  mkdirSync(join(folder, 'vm'));
  const sizes = { size: 3 * BLOCK, ...disk };
  const base = makeVhdx({
    metadata: metadataOf(itemsOf({ ...sizes, parent: undefined! })),
    table: { 0: entryOf(6, 4), 1: entryOf(6, 5), 2: entryOf(6, 6) },
    data: [1, 2, 3].map((seed) => [(3 + seed) * MIB, pattern(BLOCK, seed)] as const),
  });
  writeFileSync(join(folder, 'base.vhdx'), base);
  const path = join(folder, 'vm/child.vhdx');
  const parent = { parent_linkage: `{${DATA_ID_TEXT.toUpperCase()}}`, ...disk.parent };
  const metadata = metadataOf(itemsOf({ ...sizes, parent }));
  writeFileSync(path, makeVhdx({ metadata, ...child }));
  return path;
}

/** Writes an image of these parts into a folder of the test. */
export function writeVhdx(t: ExecutionContext, parts: Parts): string {
  const path = join(tempFolder(t, TMPFS), 'vm.vhdx');
  writeFileSync(path, makeVhdx(parts));
  return path;
}
