import { deflateSync } from 'node:zlib';

// Disks of VMware byte by byte, after VMware's technical notes "Virtual Disk Format" 1.1 and 5.0, and for
// seSparse after what is known of it. Nothing here is shared with the reader.

const SECTOR = 512;
/** Both words of an offset of the directory that only the footer has. */
const AT_END = 0xffffffffffffffffn;

/** The contents of the grains that are allocated, by number; `zeros` for a grain that is told to be so. */
export type Grains = ReadonlyMap<number, Buffer | 'zeros'>;

export interface HostedOptions {
  /** Sectors of the extent. */
  capacity: number;
  grains: Grains;
  /** Sectors of a grain. */
  grainSectors?: number;
  tableEntries?: number;
  version?: number;
  flags?: number;
  descriptor?: string;
  /** The primary directory is missing: only the redundant one is there. */
  redundantOnly?: boolean;
}

/** The text of a descriptor. */
export function descriptorText(extents: readonly string[], more: readonly string[] = []): string {
  return [
    '# Disk DescriptorFile',
    'version=1',
    'CID=12345678',
    'parentCID=ffffffff',
    'createType="custom"',
    ...more,
    '',
    '# Extent description',
    ...extents,
    '',
    '# The Disk Data Base',
    '#DDB',
    'ddb.adapterType = "lsilogic"',
    '',
  ].join('\n');
}

/** A hosted sparse extent: header, descriptor, both directories with their tables, grains. */
export function hostedExtent({
  capacity,
  grains,
  grainSectors = 128,
  tableEntries = 512,
  version = 1,
  flags = 3,
  descriptor = '',
  redundantOnly = false,
}: HostedOptions): Buffer {
  const tables = Math.ceil(capacity / (grainSectors * tableEntries));
  const tableSectors = sectorsOf(tableEntries * 4);
  const directorySectors = sectorsOf(tables * 4);
  const descriptorSectors = descriptor === '' ? 0 : 20;
  const redundant = 1 + descriptorSectors;
  const primary = redundant + directorySectors + tables * tableSectors;
  const metadata = primary + directorySectors + tables * tableSectors;
  const overhead = Math.ceil(metadata / grainSectors) * grainSectors;
  const { entries, bodies } = placeGrains(grains, overhead, grainSectors);
  const file = Buffer.alloc(overhead * SECTOR);
  writeHosted(file, 0, { version, flags, capacity, grainSectors, tableEntries });
  file.writeBigUInt64LE(BigInt(descriptorSectors === 0 ? 0 : 1), 28);
  file.writeBigUInt64LE(BigInt(descriptorSectors), 36);
  file.writeBigUInt64LE(BigInt(redundant), 48);
  file.writeBigUInt64LE(BigInt(redundantOnly ? 0 : primary), 56);
  file.writeBigUInt64LE(BigInt(overhead), 64);
  file.write(descriptor, SECTOR);
  for (const directory of redundantOnly ? [redundant] : [redundant, primary]) {
    for (let table = 0; table < tables; table++) {
      const sector = directory + directorySectors + table * tableSectors;
      file.writeUInt32LE(sector, directory * SECTOR + table * 4);
      for (let entry = 0; entry < tableEntries; entry++) {
        const value = entries.get(table * tableEntries + entry) ?? 0;
        file.writeUInt32LE(value, sector * SECTOR + entry * 4);
      }
    }
  }
  return Buffer.concat([file, ...bodies]);
}

interface HostedNumbers {
  version: number;
  flags: number;
  capacity: number;
  grainSectors: number;
  tableEntries: number;
}

function writeHosted(file: Buffer, at: number, numbers: HostedNumbers): void {
  file.write('KDMV', at);
  file.writeUInt32LE(numbers.version, at + 4);
  file.writeUInt32LE(numbers.flags, at + 8);
  file.writeBigUInt64LE(BigInt(numbers.capacity), at + 12);
  file.writeBigUInt64LE(BigInt(numbers.grainSectors), at + 20);
  file.writeUInt32LE(numbers.tableEntries, at + 44);
  file.write('\n \r\n', at + 73);
}

function placeGrains(
  grains: Grains,
  from: number,
  grainSectors: number,
): { entries: Map<number, number>; bodies: Buffer[] } {
  const entries = new Map<number, number>();
  const bodies: Buffer[] = [];
  for (const [index, content] of grains) {
    entries.set(index, content === 'zeros' ? 1 : from + bodies.length * grainSectors);
    if (content !== 'zeros') bodies.push(padded(content, grainSectors * SECTOR));
  }
  return { entries, bodies };
}

/** A stream of compressed grains, its directory and the header that counts at the end. */
export function streamExtent(capacity: number, grains: Grains, version = 3): Buffer {
  const grainSectors = 128;
  const tableEntries = 512;
  const numbers = { version, flags: 0x30001, capacity, grainSectors, tableEntries };
  const descriptor = descriptorText([`RDONLY ${capacity} SPARSE "stream.vmdk"`]);
  const head = Buffer.alloc(128 * SECTOR);
  const header = (directory: bigint): Buffer => {
    const bytes = Buffer.alloc(SECTOR);
    writeHosted(bytes, 0, numbers);
    bytes.writeBigUInt64LE(1n, 28);
    bytes.writeBigUInt64LE(20n, 36);
    bytes.writeBigUInt64LE(directory, 56);
    bytes.writeBigUInt64LE(128n, 64);
    bytes.writeUInt16LE(1, 77);
    return bytes;
  };
  header(AT_END).copy(head);
  head.write(descriptor, SECTOR);
  const parts: Buffer[] = [head];
  let at = 128;
  const push = (bytes: Buffer): number => {
    const sector = at;
    parts.push(padded(bytes, sectorsOf(bytes.length) * SECTOR));
    at += sectorsOf(bytes.length);
    return sector;
  };
  const tables = Array.from({ length: Math.ceil(capacity / (128 * 512)) }, () =>
    Buffer.alloc(2048),
  );
  const directory = Buffer.alloc(tables.length * 4);
  for (const [index, content] of grains) {
    if (content === 'zeros') continue;
    const packed = deflateSync(content);
    const marker = Buffer.alloc(12);
    marker.writeBigUInt64LE(BigInt(index * 128), 0);
    marker.writeUInt32LE(packed.length, 8);
    const sector = push(Buffer.concat([marker, packed]));
    tables[Math.floor(index / 512)]!.writeUInt32LE(sector, (index % 512) * 4);
  }
  for (const [index, table] of tables.entries()) {
    if (table.every((byte) => byte === 0)) continue;
    push(metadataMarker(4, 1));
    directory.writeUInt32LE(push(table), index * 4);
  }
  push(metadataMarker(sectorsOf(directory.length), 2));
  const place = push(directory);
  push(metadataMarker(1, 3));
  push(header(BigInt(place)));
  push(metadataMarker(0, 0));
  return Buffer.concat(parts);
}

/** A marker before a number of sectors: 1 a grain table, 2 a directory, 3 a footer, 0 the end. */
function metadataMarker(sectors: number, type: number): Buffer {
  const bytes = Buffer.alloc(SECTOR);
  bytes.writeBigUInt64LE(BigInt(sectors), 0);
  bytes.writeUInt32LE(type, 12);
  return bytes;
}

/** A sparse extent of VMFS, "COWD". */
export function vmfsExtent(capacity: number, grainSectors: number, grains: Grains): Buffer {
  const tables = Math.ceil(capacity / (4096 * grainSectors));
  const directorySectors = sectorsOf(tables * 4);
  const head = 4 + directorySectors + tables * 32;
  const { entries, bodies } = placeGrains(grains, head, grainSectors);
  const file = Buffer.alloc(head * SECTOR);
  file.write('COWD');
  for (const [index, value] of [1, 3, capacity, grainSectors, 4, tables].entries()) {
    file.writeUInt32LE(value, 4 + index * 4);
  }
  file.writeUInt32LE(head + bodies.length * grainSectors, 28);
  for (let table = 0; table < tables; table++) {
    const sector = 4 + directorySectors + table * 32;
    file.writeUInt32LE(sector, 4 * SECTOR + table * 4);
    for (let entry = 0; entry < 4096; entry++) {
      file.writeUInt32LE(entries.get(table * 4096 + entry) ?? 0, sector * SECTOR + entry * 4);
    }
  }
  return Buffer.concat([file, ...bodies]);
}

/** An extent of seSparse: grains of 4 KiB, tables of 4096 entries of 64 bits. */
export function seSparseExtent(capacity: number, grains: Grains): Buffer {
  const tables = Math.ceil(capacity / (4096 * 8));
  const [journal, directory, firstTable] = [2, 4, 6];
  const firstGrain = firstTable + tables * 64;
  const file = Buffer.alloc(firstGrain * SECTOR);
  const numbers = [
    ...[0xcafebabe, 2 ** 33 + 1, capacity, 8, 64, 0, 0, 0, 0, 0],
    ...[1, 1, journal, 1, journal + 1, 1, directory, 2, firstTable, tables * 64],
    ...[0, 0, 0, 0, firstGrain, grains.size * 8],
  ];
  for (const [index, value] of numbers.entries()) {
    file.writeBigUInt64LE(BigInt(value), index * 8);
  }
  file.writeBigUInt64LE(0xcafecafen, SECTOR);
  const bodies: Buffer[] = [];
  for (let table = 0; table < tables; table++) {
    file.writeUInt32LE(table, directory * SECTOR + table * 8);
    file.writeUInt32LE(0x10000000, directory * SECTOR + table * 8 + 4);
  }
  for (const [index, content] of grains) {
    const number = bodies.length;
    // The low 12 bits of the number of the grain come after the type, the others at the end.
    const place = (3n << 60n) | (BigInt(number & 0xfff) << 48n) | BigInt(number >> 12);
    file.writeBigUInt64LE(content === 'zeros' ? 2n << 60n : place, firstTable * SECTOR + index * 8);
    if (content !== 'zeros') bodies.push(padded(content, 4096));
  }
  return Buffer.concat([file, ...bodies]);
}

function sectorsOf(bytes: number): number {
  return Math.ceil(bytes / SECTOR);
}

function padded(bytes: Buffer, length: number): Buffer {
  return Buffer.concat([bytes, Buffer.alloc(length - bytes.length)]);
}
