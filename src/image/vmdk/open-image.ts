import type { HostFile } from '../../host/host-file.js';
import { formatSize } from '../../util/units.js';
import type { NewContentId } from '../content-id.js';
import { roundUpToSector } from '../extent.js';
import type { BackingName, Description, OpenHow, OpenImage } from '../format.js';
import type { Compression } from '../inflate-calls.js';
import { malformed, notWritable, unsupported } from '../refusal.js';
import { VMDK_SECTOR_BYTES } from './abi.js';
import { renewed } from './content-id.js';
import {
  DESCRIPTOR_BYTES_MAX,
  type Descriptor,
  type ExtentLine,
  formatCid,
  parseDescriptor,
} from './descriptor.js';
import { readDirectory } from './grain-directory.js';
import type { Piece, SparsePiece, VmdkMetadata, VmdkWriting } from './pieces.js';
import { isSparseHeader, readSparseHeader, type SparseLayout } from './sparse-header.js';

/** See `Format.open`. */
export function openVmdk(file: HostFile, { snapshot, openDataFile }: OpenHow): VmdkImage {
  if (snapshot !== null) throw unsupported(file.path, 'a VMDK has no internal snapshots');
  const files = new Files(file, openDataFile);
  const isSparse = isSparseHeader(file.read(0, Math.min(VMDK_SECTOR_BYTES, file.size)));
  const layout = isSparse ? readSparseHeader(file) : null;
  const place = layout === null ? { offset: 0, length: file.size } : embeddedIn(file, layout);
  const length = Math.min(place.length, DESCRIPTOR_BYTES_MAX, file.size - place.offset);
  const text = file.read(place.offset, length);
  const descriptor = parseDescriptor(file.path, text);
  // A header without an extent is the place of the descriptor only.
  const isElsewhere = layout === null || (layout.capacity === 0 && descriptor.extents.length > 0);
  const pieces = isElsewhere
    ? openExtents(files, descriptor)
    : [sparsePiece(0, files.own, layout, layout.capacity)];
  return new VmdkImage(files, descriptor, pieces, renewed(text, place.offset));
}

/** A file of an image, with its index. */
interface Numbered {
  readonly host: HostFile;
  readonly index: number;
}

/** The files of an image, each opened once: several extents may lie in one. */
class Files {
  readonly own: Numbered;
  readonly others: HostFile[] = [];
  readonly #open: (name: string) => HostFile;
  readonly #byName = new Map<string, Numbered>();

  constructor(own: HostFile, open: (name: string) => HostFile) {
    this.own = { host: own, index: 0 };
    this.#open = open;
  }

  named(name: string): Numbered {
    const known = this.#byName.get(name);
    if (known !== undefined) return known;
    const host = this.#open(name);
    const opened = { host, index: this.others.push(host) };
    this.#byName.set(name, opened);
    return opened;
  }
}

/** @throws SluiceError for an extent that has no descriptor in it */
function embeddedIn(
  file: HostFile,
  { type, descriptor }: SparseLayout,
): SparseLayout['descriptor'] {
  if (descriptor.length > 0) return descriptor;
  const what = type === 'hosted' ? 'one extent of a disk' : `a ${type} extent of a disk`;
  throw unsupported(file.path, `it is ${what}; use the descriptor file that names it`);
}

function openExtents(files: Files, { extents }: Descriptor): Piece[] {
  let start = 0;
  return extents.map((line) => {
    const piece = openExtent(files, line, start);
    start += line.bytes;
    return piece;
  });
}

const FLAT: ReadonlySet<string> = new Set(['FLAT', 'VMFS']);
const SPARSE: Readonly<Record<string, SparseLayout['type'] | undefined>> = {
  SPARSE: 'hosted',
  VMFSSPARSE: 'vmfs',
  SESPARSE: 'seSparse',
};

function openExtent(files: Files, line: ExtentLine, start: number): Piece {
  const { access, type, name, bytes: length, offset } = line;
  const { path } = files.own.host;
  if (type === 'ZERO') return { kind: 'zero', start, length };
  if (access === 'NOACCESS')
    throw unsupported(path, `it has no access to its extent ${show(name)}`);
  if (name === null) throw malformed(path, `its extent of type ${type} has no file`);
  if (FLAT.has(type)) {
    const { host, index } = files.named(name);
    return { kind: 'flat', start, length, file: index, offset, hostSize: host.size };
  }
  const wanted = SPARSE[type];
  if (wanted === undefined) throw unsupported(path, `its extent ${show(name)} is of type ${type}`);
  const file = files.named(name);
  const layout = readSparseHeader(file.host);
  // QEMU goes by the header, and calls both kinds SPARSE.
  const isMeant = wanted === layout.type || (wanted !== 'seSparse' && layout.type !== 'seSparse');
  if (!isMeant) throw malformed(file.host.path, `it is not of the type ${type} of its descriptor`);
  if (layout.capacity < length) {
    const what = `it has ${layout.capacity} bytes of the disk, fewer than its descriptor says`;
    throw malformed(file.host.path, `${what}: ${length}`);
  }
  return sparsePiece(start, file, layout, length);
}

function sparsePiece(
  start: number,
  { host, index }: Numbered,
  layout: SparseLayout,
  length: number,
): SparsePiece {
  const tables = readDirectory(host, layout);
  return { kind: 'sparse', start, length, file: index, hostSize: host.size, layout, tables };
}

function show(name: string | null): string {
  return JSON.stringify(name ?? '');
}

function contentId(cid: number): string {
  return `content ID ${formatCid(cid)}`;
}

/** A name that Windows gave: of a drive or a server. */
const WINDOWS = /^(?:[A-Za-z]:|\\\\).*[\\/]/;

/** A disk of VMware that is open for reading. */
export class VmdkImage implements OpenImage {
  readonly size: number;
  readonly backing: BackingName | null;
  readonly identities: readonly string[];
  readonly dataFiles: readonly HostFile[];
  readonly unitBytes: number;
  /** Another size would be the business of the descriptor and all extents. */
  readonly canGrow = false;
  readonly methods: readonly Compression[];
  readonly metadata: VmdkMetadata;
  readonly #file: HostFile;
  readonly #descriptor: Descriptor;
  readonly #newContentId: NewContentId | null;

  constructor(
    { own, others }: Files,
    descriptor: Descriptor,
    pieces: readonly Piece[],
    newContentId: NewContentId | null,
  ) {
    const { cid, parent } = descriptor;
    const last = pieces.at(-1);
    const bytes = last === undefined ? 0 : last.start + last.length;
    this.size = roundUpToSector(bytes);
    // A disk that came from Windows has its parent beside it, if it has it at all.
    this.backing = parent && {
      names: [parent.name.replace(WINDOWS, '')],
      format: 'vmdk',
      identities: [contentId(parent.cid)],
    };
    this.identities = cid === null ? [] : [contentId(cid)];
    this.dataFiles = others;
    this.unitBytes = Math.min(...pieces.map(unitOf));
    const isCompressed = pieces.some((one) => one.kind === 'sparse' && isCompressedLayout(one));
    this.methods = isCompressed ? ['zlib-stream'] : [];
    this.metadata = { size: this.size, pieces };
    this.#file = own.host;
    this.#descriptor = descriptor;
    this.#newContentId = newContentId;
  }

  hasSparseData(): boolean {
    return this.metadata.pieces.some(({ kind }) => kind === 'flat');
  }

  /** Only flat extents are written: the layout of sparse ones would have to change. */
  checkWriting(): void {
    const why = this.#whyNotWritten();
    if (why !== null) throw notWritable(this.#file.path, `a VMDK ${why}`);
  }

  async prepareWriting(): Promise<VmdkWriting> {
    return { contentId: this.#newContentId };
  }

  #whyNotWritten(): string | null {
    const { extents, tracksChanges, createType } = this.#descriptor;
    const { pieces } = this.metadata;
    if (pieces.some(({ kind }) => kind !== 'flat')) return `of the kind ${createType}`;
    if (extents.some(({ access }) => access !== 'RW'))
      return 'with an extent that is not for writing';
    if (tracksChanges) return 'whose changes are tracked for backups';
    const isShort = pieces.some(
      (one) => problemsOf(one, [this.#file, ...this.dataFiles]).length > 0,
    );
    return isShort ? 'with a file that ends before its extent' : null;
  }

  describe(): Description {
    const { createType, cid, parent } = this.#descriptor;
    const { pieces } = this.metadata;
    const files = [this.#file, ...this.dataFiles];
    const sparse = pieces.filter((one) => one.kind === 'sparse');
    const [first] = sparse;
    const words = [createType, count(pieces.length, 'extent')];
    if (first !== undefined) {
      words.push(
        `version ${first.layout.version}`,
        `${formatSize(first.layout.grainBytes)} grains`,
      );
      if (isCompressedLayout(first)) words.push('zlib compression');
    }
    const lines: [string, string][] = [['features', words.join(', ')]];
    if (cid !== null) lines.push(['content ID', formatCid(cid)]);
    return {
      features: {
        createType,
        contentId: cid === null ? null : formatCid(cid),
        parentContentId: parent === null ? null : formatCid(parent.cid),
        extents: pieces.map((piece) => describePiece(piece, files)),
      },
      lines,
      snapshots: [],
      problems: pieces.flatMap((piece) => problemsOf(piece, files)),
    };
  }
}

function isCompressedLayout({ layout }: SparsePiece): boolean {
  return layout.compressedAt !== null;
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`;
}

/** Grains may begin at any sector; a flat extent is one piece. */
function unitOf(piece: Piece): number {
  if (piece.kind === 'zero') return Number.POSITIVE_INFINITY;
  if (piece.kind === 'sparse') return VMDK_SECTOR_BYTES;
  return Math.min(...[piece.start, piece.offset, piece.length].map(largestPowerOf2));
}

/** The largest power of 2 that divides a number of sectors. */
function largestPowerOf2(bytes: number): number {
  let power = VMDK_SECTOR_BYTES;
  while (power < 2 ** 30 && bytes % (2 * power) === 0) power *= 2;
  return power;
}

function describePiece(piece: Piece, files: readonly HostFile[]): object {
  const { start, length, kind } = piece;
  if (kind === 'zero') return { kind, start, length };
  const { path } = files[piece.file]!;
  if (kind === 'flat') return { kind, start, length, file: path, offset: piece.offset };
  const { type, version, grainBytes, compressedAt } = piece.layout;
  const compressed = compressedAt !== null;
  return { kind: type, start, length, file: path, version, grainBytes, compressed };
}

function problemsOf(piece: Piece, files: readonly HostFile[]): string[] {
  if (piece.kind === 'zero') return [];
  const { path } = files[piece.file]!;
  if (piece.kind === 'sparse') {
    return piece.layout.unclean ? [`${path}: was not closed by the program that wrote it`] : [];
  }
  const missing = piece.offset + piece.length - piece.hostSize;
  return missing > 0
    ? [`${path}: ends ${missing} bytes before its extent; they read as zeros`]
    : [];
}
