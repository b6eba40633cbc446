import type { ReadableFile } from '../../host/open-file.js';
import { SIZE_MAX } from '../../util/units.js';
import { malformed, unsupported } from '../refusal.js';
import * as abi from './abi.js';
import { VMDK_SECTOR_BYTES as SECTOR } from './abi.js';

/** How the grains of a sparse extent are found: the numbers of its header. Plain data. */
export interface SparseLayout {
  readonly type: 'hosted' | 'vmfs' | 'seSparse';
  /** Bytes of the disk that the extent covers. */
  readonly capacity: number;
  readonly grainBytes: number;
  readonly entriesPerTable: number;
  /** Bytes of an entry of the directory and of the tables: 4 or 8. */
  readonly entryBytes: number;
  /** Offset of the grain directory, bytes. */
  readonly directory: number;
  /** An entry of 1 is zeros. */
  readonly zeroGrains: boolean;
  /** Bytes before the compressed data of a grain; null if the grains are as they are. */
  readonly compressedAt: number | null;
  /** seSparse: where the tables and the grains begin that entries count from, sectors. */
  readonly tables: number;
  readonly grains: number;
  /** Where a descriptor is embedded, bytes; a length of 0 for none. */
  readonly descriptor: { readonly offset: number; readonly length: number };
  readonly version: number;
  /** It was not closed by the program that wrote it. */
  readonly unclean: boolean;
}

/** Sectors of the largest grain: QEMU's bound, 1 GiB. */
const GRAIN_SECTORS_MAX = 1 << 21;
/** A compressed grain is inflated in one go, so a large one is slow. Those of VMware have 64 KiB. */
const COMPRESSED_GRAIN_BYTES_MAX = 2 << 20;
/** As QEMU's bound for the tables of qcow2. A disk of 2 TiB takes 256 KiB. */
const DIRECTORY_BYTES_MAX = 32 << 20;

const NO_DESCRIPTOR = { offset: 0, length: 0 };
const HOSTED_ENTRY_BYTES = 4;

/** Is it the header of a sparse extent? */
export function isSparseHeader(head: Uint8Array): boolean {
  if (head.length < 4) return false;
  const magic = viewOf(head).getUint32(0, true);
  if (magic === abi.HOSTED_MAGIC || magic === abi.COWD_MAGIC) return true;
  return magic === abi.SE_MAGIC && head.length >= 8 && viewOf(head).getUint32(4, true) === 0;
}

/**
 * Reads and checks the header of a sparse extent.
 *
 * @throws SluiceError exit code 3
 */
export function readSparseHeader(file: ReadableFile): SparseLayout {
  const header = new Header(file, 0);
  const magic = header.u32(0);
  if (magic === abi.HOSTED_MAGIC) return readHosted(header);
  if (magic === abi.COWD_MAGIC) return readVmfs(header);
  if (magic === abi.SE_MAGIC) return readSeSparse(header);
  throw malformed(file.path, 'it is no sparse extent of a VMDK');
}

/** Number of tables of an extent. */
export function tableCount({ capacity, grainBytes, entriesPerTable }: SparseLayout): number {
  return Math.ceil(capacity / (grainBytes * entriesPerTable));
}

/** A sector of a file with numbers. */
class Header {
  readonly file: ReadableFile;
  readonly #view: DataView;

  /** @throws SluiceError for a sector that the file does not have */
  constructor(file: ReadableFile, offset: number) {
    this.file = file;
    if (offset + SECTOR > file.size) throw cutOff(file.path);
    this.#view = viewOf(file.read(offset, SECTOR));
  }

  u8(at: number): number {
    return this.#view.getUint8(at);
  }

  u16(at: number): number {
    return this.#view.getUint16(at, true);
  }

  u32(at: number): number {
    return this.#view.getUint32(at, true);
  }

  /** Exact up to 2^53; larger ones stay larger. */
  u64(at: number): number {
    return this.u32(at + 4) * 2 ** 32 + this.u32(at);
  }

  /** Bytes from a number of sectors. */
  sectors(at: number): number {
    return this.u64(at) * SECTOR;
  }

  isZero(from: number, to: number): boolean {
    for (let at = from; at < to; at++) if (this.u8(at) !== 0) return false;
    return true;
  }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function cutOff(path: string): Error {
  return malformed(path, 'the file is cut off');
}

function readHosted(first: Header): SparseLayout {
  const { file } = first;
  const { path } = file;
  checkHosted(path, first);
  const atEnd = [0, 4].every(
    (word) => first.u32(abi.HOSTED_DIRECTORY + word) === abi.DIRECTORY_AT_END,
  );
  // A stream has a second header at its end. That one counts: the first was written before the sizes
  // were known.
  const header = atEnd ? readFooter(file) : first;
  if (atEnd) checkHosted(path, header);
  const flags = header.u32(abi.HOSTED_FLAGS);
  const compressed = header.u16(abi.HOSTED_COMPRESSION) === abi.DEFLATE;
  const entriesPerTable = header.u32(abi.HOSTED_TABLE_ENTRIES);
  if (entriesPerTable < 1 || entriesPerTable > abi.HOSTED_TABLE_ENTRIES_MAX) {
    throw malformed(path, `its grain tables have ${entriesPerTable} entries`);
  }
  if (header.sectors(abi.HOSTED_OVERHEAD) > file.size) throw cutOff(path);
  const directory = header.sectors(abi.HOSTED_DIRECTORY);
  return checkLayout(file, {
    type: 'hosted',
    capacity: header.sectors(abi.HOSTED_CAPACITY),
    grainBytes: header.sectors(abi.HOSTED_GRAIN),
    entriesPerTable,
    entryBytes: HOSTED_ENTRY_BYTES,
    directory: directory === 0 ? header.sectors(abi.HOSTED_REDUNDANT) : directory,
    zeroGrains: (flags & abi.FLAG_ZERO_GRAINS) !== 0,
    compressedAt: compressed ? markerBytes(flags) : null,
    tables: 0,
    grains: 0,
    descriptor: descriptorOf(file, first),
    version: header.u32(abi.HOSTED_VERSION),
    unclean: header.u8(abi.HOSTED_UNCLEAN) !== 0,
  });
}

function markerBytes(flags: number): number {
  return (flags & abi.FLAG_MARKERS) !== 0 ? abi.GRAIN_MARKER_BYTES : 0;
}

function checkHosted(path: string, header: Header): void {
  const version = header.u32(abi.HOSTED_VERSION);
  if (version < 1 || version > abi.HOSTED_VERSION_MAX) {
    throw unsupported(path, `it is a VMDK of version ${version}`);
  }
  const flags = header.u32(abi.HOSTED_FLAGS);
  const known = abi.FLAG_COMPRESSED | abi.FLAG_MARKERS;
  const unknown = (flags & abi.FLAGS_INCOMPATIBLE & ~known) >>> 0;
  if (unknown !== 0) throw unsupported(path, `it has the unknown flags 0x${unknown.toString(16)}`);
  const compression = header.u16(abi.HOSTED_COMPRESSION);
  if (compression > abi.DEFLATE) throw unsupported(path, `its compression is ${compression}`);
  if ((flags & abi.FLAG_COMPRESSED) !== 0 && compression !== abi.DEFLATE) {
    throw malformed(path, 'it is compressed, and does not say how');
  }
  if ((flags & abi.FLAG_LINE_ENDS) === 0) return;
  const ends = [...abi.LINE_ENDS].every((end, index) => {
    return header.u8(abi.HOSTED_LINE_ENDS + index) === end.charCodeAt(0);
  });
  if (!ends) throw malformed(path, 'it was copied as text, which changed its bytes');
}

/** The header at the end of a stream: a marker, the header, and the marker of the end. */
function readFooter(file: ReadableFile): Header {
  const size = Math.floor(file.size / SECTOR) * SECTOR;
  if (size < 4 * SECTOR) throw cutOff(file.path);
  const [marker, footer, end] = [3, 2, 1].map((back) => new Header(file, size - back * SECTOR)) as [
    Header,
    Header,
    Header,
  ];
  const isMarker = (header: Header, type: number): boolean =>
    header.u32(abi.MARKER_SIZE) === 0 && header.u32(abi.MARKER_TYPE) === type;
  const isWhole =
    isMarker(marker, abi.MARKER_FOOTER) &&
    footer.u32(0) === abi.HOSTED_MAGIC &&
    isMarker(end, abi.MARKER_END);
  if (isWhole) return footer;
  throw malformed(file.path, 'its grain directory should be at the end: the file is cut off');
}

function descriptorOf(file: ReadableFile, header: Header): SparseLayout['descriptor'] {
  const offset = header.sectors(abi.HOSTED_DESCRIPTOR);
  const length = header.sectors(abi.HOSTED_DESCRIPTOR_SECTORS);
  if (offset === 0 || length === 0) return NO_DESCRIPTOR;
  if (offset >= file.size) throw cutOff(file.path);
  return { offset, length };
}

function readVmfs(header: Header): SparseLayout {
  const { file } = header;
  const version = header.u32(abi.COWD_VERSION);
  if (version !== 1) throw unsupported(file.path, `it is a sparse extent of version ${version}`);
  const layout = checkLayout(file, {
    type: 'vmfs',
    capacity: header.u32(abi.COWD_CAPACITY) * SECTOR,
    grainBytes: header.u32(abi.COWD_GRAIN) * SECTOR,
    entriesPerTable: abi.COWD_TABLE_ENTRIES,
    entryBytes: HOSTED_ENTRY_BYTES,
    directory: header.u32(abi.COWD_DIRECTORY) * SECTOR,
    zeroGrains: false,
    compressedAt: null,
    tables: 0,
    grains: 0,
    descriptor: NO_DESCRIPTOR,
    version,
    unclean: false,
  });
  const entries = header.u32(abi.COWD_DIRECTORY_ENTRIES);
  if (entries >= tableCount(layout)) return layout;
  throw malformed(file.path, `its grain directory has ${entries} entries, too few for the extent`);
}

/** As strict as QEMU: nobody but VMware knows what other numbers would mean. */
function readSeSparse(header: Header): SparseLayout {
  const { file } = header;
  const { path } = file;
  const versions = [abi.SE_VERSION_MINOR, abi.SE_VERSION_MAJOR];
  if (versions.some((version, index) => header.u32(abi.SE_VERSION + index * 4) !== version)) {
    throw unsupported(path, 'it is an seSparse extent of another version than 2.1');
  }
  const isKnown =
    header.u64(abi.SE_GRAIN) === abi.SE_GRAIN_SECTORS &&
    header.u64(abi.SE_TABLE) === abi.SE_TABLE_SECTORS &&
    header.isZero(abi.SE_FLAGS, abi.SE_VOLATILE) &&
    header.isZero(abi.SE_PADDING, SECTOR);
  if (!isKnown) throw unsupported(path, 'it is an seSparse extent with unknown sizes or flags');
  const volatile = new Header(file, header.sectors(abi.SE_VOLATILE));
  if (volatile.u32(0) !== abi.SE_VOLATILE_MAGIC || volatile.u32(4) !== 0) {
    throw malformed(path, 'its second header is missing');
  }
  if (volatile.u64(abi.SE_REPLAY_JOURNAL) !== 0) {
    throw unsupported(path, 'it was not closed: its journal must be replayed by VMware first');
  }
  const entryBytes = 8;
  const layout = checkLayout(file, {
    type: 'seSparse',
    capacity: header.sectors(abi.SE_CAPACITY),
    grainBytes: abi.SE_GRAIN_SECTORS * SECTOR,
    entriesPerTable: (abi.SE_TABLE_SECTORS * SECTOR) / entryBytes,
    entryBytes,
    directory: header.sectors(abi.SE_DIRECTORY),
    zeroGrains: true,
    compressedAt: null,
    tables: header.u64(abi.SE_TABLES),
    grains: header.u64(abi.SE_GRAINS),
    descriptor: NO_DESCRIPTOR,
    version: abi.SE_VERSION_MAJOR,
    unclean: false,
  });
  if (header.sectors(abi.SE_DIRECTORY_SECTORS) >= tableCount(layout) * entryBytes) return layout;
  throw malformed(path, 'its grain directory is too small for the extent');
}

/** What holds for every kind of sparse extent. */
function checkLayout(file: ReadableFile, layout: SparseLayout): SparseLayout {
  const { path } = file;
  const { capacity, grainBytes, entryBytes, directory, compressedAt } = layout;
  if (capacity > SIZE_MAX) throw malformed(path, 'its virtual size is above 2^53 bytes');
  const grain = grainBytes / SECTOR;
  if (grain < 1 || grain > GRAIN_SECTORS_MAX || !Number.isInteger(Math.log2(grain))) {
    throw malformed(path, `its grains have ${grain} sectors, which is no power of 2 up to 2^21`);
  }
  if (compressedAt !== null && grainBytes > COMPRESSED_GRAIN_BYTES_MAX) {
    throw unsupported(path, 'its compressed grains are larger than 2 MiB');
  }
  const bytes = tableCount(layout) * entryBytes;
  if (bytes > DIRECTORY_BYTES_MAX) {
    throw unsupported(path, 'its grain directory is larger than 32 MiB');
  }
  if (bytes > 0 && (directory === 0 || directory + bytes > file.size)) {
    throw malformed(path, 'its grain directory lies behind the end of the file');
  }
  return layout;
}
