import { HostFile } from '../host/host-file.js';
import { EXIT_FAILED, SluiceError } from '../util/errors.js';
import { resolveBackingName } from './backing-name.js';
import { roundUpToSector, SIZE_MAX } from './extent.js';
import { checkDataFile, checkNamed, type NamedFiles, type Role } from './named-files.js';
import { type Format, probeFormat } from './probe.js';
import { readL1 } from './qcow2/l1-table.js';
import type { QcowLayout } from './qcow2/layout.js';
import { HEADER_HEAD_BYTES, parseHeader } from './qcow2/parse-header.js';
import { malformed, unsupported } from './qcow2/refusal.js';
import { findSnapshot, readSnapshots, type Snapshot, snapshotLayout } from './qcow2/snapshots.js';
import { formatOf, HEAD_BYTES } from './signatures.js';

/** More layers than anybody keeps; each takes descriptors and memory. */
export const CHAIN_MAX = 64;

/** How an image is to be opened. */
export interface ChainOptions {
  /** `auto` looks at the image. */
  format: 'auto' | Format;
  /** Formats of the backing files, from the top, for those whose overlay does not say. */
  backingFormats: readonly Format[];
  /** ID or name of the internal snapshot to show; null for the image as it is. */
  snapshot: string | null;
  /** Which files an image may name; absent: any backing file, and data files in its folder. */
  named?: NamedFiles;
}

/** A qcow2 layer's metadata. */
export interface QcowPart {
  layout: QcowLayout;
  l1: Float64Array;
  snapshots: Snapshot[];
  /** Null where the data is in the image itself. */
  dataSource: HostFile | null;
}

/** An image of a chain, open for reading. */
export interface OpenLayer {
  source: HostFile;
  format: Format;
  /** Virtual size, a multiple of 512. */
  size: number;
  /** Null for a raw layer. */
  qcow: QcowPart | null;
}

/** An image and its backing files. */
export interface OpenChain {
  /** The image itself first. */
  layers: OpenLayer[];
  close(): void;
}

/** Called with each file as soon as it is open, before anything is read: takes locks. */
export type FileOpened = (source: HostFile, isTop: boolean) => void;

/** A chain as far as it can be opened. */
export interface PartialChain extends OpenChain {
  /** Why there is no more; null for a whole chain. */
  problem: unknown;
}

/**
 * Opens an image and all its backing files and checks their headers.
 *
 * @throws SluiceError exit code 1 for a file that cannot be reached, 3 for what is refused. Nothing
 *   stays open then.
 */
export function openChain(path: string, options: ChainOptions, opened?: FileOpened): OpenChain {
  const { problem, ...chain } = openPartly(path, options, opened);
  if (problem === null) return chain;
  chain.close();
  throw problem;
}

/** The same for what only describes an image: it has the layers above the one that fails. */
export function openPartly(path: string, options: ChainOptions, opened?: FileOpened): PartialChain {
  const sources: HostFile[] = [];
  const layers: OpenLayer[] = [];
  const close = () => {
    for (const source of sources) source.close();
  };
  const open: Open = (file, isTop, check) => {
    const source = new HostFile(file);
    const other = sources.find(({ identity }) => identity === source.identity);
    sources.push(source);
    if (other !== undefined) throw usedTwice(path, layers, source, other);
    check?.(source);
    opened?.(source, isTop);
    return source;
  };
  try {
    openLayers(path, options, open, layers);
    return { layers, close, problem: null };
  } catch (problem) {
    return { layers, close, problem };
  }
}

function usedTwice(
  path: string,
  layers: readonly OpenLayer[],
  source: HostFile,
  other: HostFile,
): SluiceError {
  if (layers.some((layer) => layer.source === other)) {
    return malformed(path, `its backing files form a loop at ${source.path}`);
  }
  const isOwn = layers.length === 0;
  const what = isOwn
    ? 'its external data file is the image itself'
    : `its chain has ${source.path} twice`;
  return malformed(path, what);
}

/** `check` throws what is wrong with a file, before it is locked. */
type Open = (path: string, isTop: boolean, check?: (source: HostFile) => void) => HostFile;

function openLayers(path: string, options: ChainOptions, open: Open, layers: OpenLayer[]): void {
  let source = open(path, true);
  let format = options.format;
  for (;;) {
    const layer = openLayer(source, format, layers.length === 0, options, open);
    layers.push(layer);
    const backing = backingOf(layer);
    if (backing === null) return;
    if (layers.length === CHAIN_MAX) {
      throw unsupported(path, `it has more than ${CHAIN_MAX - 1} backing files`);
    }
    const { path: image } = layer.source;
    checkNamed(image, 'backing', backing.path, options.named);
    source = openNamed(image, 'backing', () => open(backing.path, false));
    format =
      backing.format ?? options.backingFormats[layers.length - 1] ?? formatOfNone(layers, source);
  }
}

/** Says which image wants a file that cannot be opened. */
function openNamed(image: string, role: Role, open: () => HostFile): HostFile {
  try {
    return open();
  } catch (error) {
    // What the file itself is refused for begins with its path, and says all.
    if (!(error instanceof SluiceError) || error.exitCode !== EXIT_FAILED) throw error;
    const message = `${image}: its ${role} file ${error.message}`;
    throw new SluiceError(message, error.errno, error.exitCode, error);
  }
}

/**
 * The format of a backing file whose overlay records none, as old tools made it: raw, unless it looks
 * like anything else. A guest that is shown a container's bytes may write over them; one that wrote a
 * header to its raw disk must not have it read: so it is never guessed.
 */
function formatOfNone(layers: readonly OpenLayer[], source: HostFile): Format {
  const found = formatOf(source.read(0, HEAD_BYTES));
  if (found === null) return 'raw';
  const formats = layers.map(({ format }) => format).join(',');
  const ways = found === 'qcow2' ? ['qcow2', 'raw'] : ['raw'];
  throw unsupported(
    layers.at(-1)!.source.path,
    `its backing file ${source.path} looks like ${found}, and its format is not recorded; ` +
      `use ${ways.map((way) => `--format ${formats},${way}`).join(' or ')}`,
  );
}

function openLayer(
  source: HostFile,
  asked: 'auto' | Format,
  isTop: boolean,
  options: ChainOptions,
  open: Open,
): OpenLayer {
  const head = source.read(0, Math.min(HEADER_HEAD_BYTES, source.size));
  const format = asked === 'auto' ? probeFormat(source.path, head) : asked;
  if (format === 'raw') {
    if (isTop && options.snapshot !== null) {
      throw unsupported(source.path, 'a raw image has no snapshots');
    }
    return { source, format, size: roundUpToSector(source.size), qcow: null };
  }
  const header = parseHeader(source.path, head);
  const snapshots = readSnapshots(source.path, source, header);
  const layout =
    isTop && options.snapshot !== null
      ? layoutAt(source.path, header, snapshots, options.snapshot)
      : header;
  let dataSource: HostFile | null = null;
  if (layout.dataFileName !== null) {
    const { path } = resolveBackingName(source.path, layout.dataFileName, 'data');
    checkNamed(source.path, 'data', path, options.named);
    dataSource = openNamed(source.path, 'data', () => {
      return open(path, isTop, (data) => checkDataFile(source, data, options.named));
    });
  }
  if (layout.size > SIZE_MAX) throw malformed(source.path, 'its virtual size is above 2^53 bytes');
  const qcow = { layout, l1: readL1(source, layout), snapshots, dataSource };
  return { source, format, size: roundUpToSector(layout.size), qcow };
}

function layoutAt(
  path: string,
  layout: QcowLayout,
  snapshots: readonly Snapshot[],
  wanted: string,
): QcowLayout {
  const snapshot = findSnapshot(snapshots, wanted);
  if (snapshot !== undefined) return snapshotLayout(path, layout, snapshot);
  const names = snapshots.map(({ id, name }) => `${id} (${JSON.stringify(name)})`).join(', ');
  const known = names === '' ? 'it has none' : `it has ${names}`;
  throw malformed(path, `no snapshot ${JSON.stringify(wanted)}; ${known}`);
}

/** The backing file that a layer names, and the format that it records; null for none. */
function backingOf({ source, qcow }: OpenLayer): { path: string; format: Format | null } | null {
  if (qcow === null || qcow.layout.backingName === null) return null;
  const { path, format } = resolveBackingName(source.path, qcow.layout.backingName);
  const recorded = format ?? (qcow.layout.backingFormat || null);
  return { path, format: recorded === null ? null : backingFormat(source.path, recorded) };
}

/** QEMU also takes the names of its protocol drivers, which give the bytes as they are. */
function backingFormat(path: string, name: string): Format {
  if (name === 'qcow2') return 'qcow2';
  if (name === 'raw' || name === 'file' || name === 'host_device') return 'raw';
  throw unsupported(path, `its backing file has the format ${JSON.stringify(name)}`);
}
