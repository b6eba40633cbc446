/**
 * Images as Virtual PC and Hyper-V make them, from the layout in the Virtual Hard Disk Image Format
 * Specification 1.0, with literal offsets.
 */

export const BLOCK = 2 << 20;

export interface FooterFields {
  cookie?: string;
  version?: number;
  headerOffset?: bigint;
  creator?: string;
  size?: number | bigint;
  /** Cylinders, heads, sectors. */
  geometry?: readonly [number, number, number];
  type?: number;
  /** 32 hexadecimal digits. */
  id?: string;
  checksum?: number;
}

export const ID = '00112233445566778899aabbccddeeff';
export const ID_TEXT = '00112233-4455-6677-8899-aabbccddeeff';

/** A footer with a right checksum, if no other one is given. */
export function footerOf(fields: FooterFields = {}): Buffer {
  const footer = Buffer.alloc(512);
  footer.write(fields.cookie ?? 'conectix', 0, 'latin1');
  footer.writeUInt32BE(2, 8);
  footer.writeUInt32BE(fields.version ?? 0x00010000, 12);
  const type = fields.type ?? 3;
  footer.writeBigUInt64BE(fields.headerOffset ?? (type === 2 ? 0xffffffffffffffffn : 512n), 16);
  footer.write(fields.creator ?? 'win ', 28, 'latin1');
  footer.writeBigUInt64BE(BigInt(fields.size ?? 3 * BLOCK), 40);
  footer.writeBigUInt64BE(BigInt(fields.size ?? 3 * BLOCK), 48);
  const [cylinders, heads, sectors] = fields.geometry ?? [180, 4, 17];
  footer.writeUInt16BE(cylinders, 56);
  footer.writeUInt8(heads, 58);
  footer.writeUInt8(sectors, 59);
  footer.writeUInt32BE(type, 60);
  footer.write(fields.id ?? ID, 68, 'hex');
  footer.writeUInt32BE(fields.checksum ?? sumOf(footer), 64);
  return footer;
}

export interface HeaderFields {
  cookie?: string;
  tableOffset?: bigint;
  version?: number;
  entries?: number;
  blockBytes?: number;
  parentId?: string;
  parentName?: string;
  /** Code, data, and where the data is in the file. */
  locators?: readonly (readonly [code: string, data: Buffer, offset: bigint, bytes?: number])[];
  checksum?: number;
}

export function dynamicHeaderOf(fields: HeaderFields = {}): Buffer {
  const header = Buffer.alloc(1024);
  header.write(fields.cookie ?? 'cxsparse', 0, 'latin1');
  header.writeBigUInt64BE(0xffffffffffffffffn, 8);
  header.writeBigUInt64BE(fields.tableOffset ?? 1536n, 16);
  header.writeUInt32BE(fields.version ?? 0x00010000, 24);
  header.writeUInt32BE(fields.entries ?? 3, 28);
  header.writeUInt32BE(fields.blockBytes ?? BLOCK, 32);
  header.write(fields.parentId ?? '', 40, 'hex');
  Buffer.from(fields.parentName ?? '', 'utf16le')
    .swap16()
    .copy(header, 64);
  for (const [index, locator] of (fields.locators ?? []).entries()) {
    const [code, data, offset, bytes = data.length] = locator;
    const at = 576 + index * 24;
    header.write(code, at, 'latin1');
    header.writeUInt32BE(1, at + 4);
    header.writeUInt32BE(bytes, at + 8);
    header.writeBigUInt64BE(offset, at + 16);
  }
  header.writeUInt32BE(fields.checksum ?? sumOf(header), 36);
  return header;
}

/** The complement of the sum of all bytes; the field of the checksum must be zero still. */
function sumOf(bytes: Buffer): number {
  let sum = 0;
  for (const byte of bytes) sum += byte;
  return (0xffffffff - sum) >>> 0;
}

/** A block as it lies in the file: the bitmap of its sectors, then the data. */
export interface StoredBlock {
  /** Ranges of sectors whose bit is 1: first and last. */
  there: readonly (readonly [number, number])[];
  data: Buffer;
}

/**
 * A dynamic or differencing image: copy of the footer, header, table at 1536, room for locators at 2048 to
 * 4096, blocks from 4096 on in the order given, footer.
 *
 * @param table For each block of the disk its place among the blocks in the file, or null.
 */
export function makeDynamic(
  footer: FooterFields,
  header: HeaderFields,
  table: readonly (number | null)[],
  blocks: readonly StoredBlock[],
): Buffer {
  const end = footerOf(footer);
  const front = Buffer.alloc(4096);
  front.set(end, 0);
  front.set(dynamicHeaderOf({ entries: table.length, ...header }), 512);
  for (const [index, place] of table.entries()) {
    const sector = place === null ? 0xffffffff : 8 + place * (1 + BLOCK / 512);
    front.writeUInt32BE(sector, 1536 + index * 4);
  }
  for (const [, data, offset] of header.locators ?? []) {
    if (offset < 4096n) front.set(data, Number(offset));
  }
  const stored = blocks.flatMap(({ there, data }) => {
    const bitmap = Buffer.alloc(512);
    for (const [first, last] of there) {
      // Bit 7 of byte 0 is the first sector.
      for (let i = first; i <= last; i++) bitmap[i >> 3]! |= 0x80 >> (i & 7);
    }
    return [bitmap, data];
  });
  return Buffer.concat([front, ...stored, end]);
}

export const WHOLE: StoredBlock['there'] = [[0, BLOCK / 512 - 1]];
