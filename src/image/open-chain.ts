import { resolveBackingName } from './backing-name.js';
import { roundUpToSector } from './image.js';
import { type Format, probeFormat } from './probe.js';
import { readL1 } from './qcow2/l1-table.js';
import type { QcowLayout } from './qcow2/layout.js';
import { HEADER_HEAD_BYTES, isQcow, parseHeader } from './qcow2/parse-header.js';
import { malformed, unsupported } from './qcow2/refusal.js';
import { findSnapshot, readSnapshots, type Snapshot, snapshotLayout } from './qcow2/snapshots.js';
import { FileSource } from './source.js';

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
}

/** A qcow2 layer's metadata. */
export interface QcowPart {
  layout: QcowLayout;
  l1: Float64Array;
  snapshots: Snapshot[];
  /** Null where the data is in the image itself. */
  dataSource: FileSource | null;
}

/** An image of a chain, open for reading. */
export interface OpenLayer {
  source: FileSource;
  format: Format;
  /** Virtual size, a multiple of 512. */
  size: number;
  /** Null for a raw layer. */
  qcow: QcowPart | null;
  /** Sentences that a user should read. */
  warnings: string[];
}

/** An image and its backing files. */
export interface OpenChain {
  /** The image itself first. */
  layers: OpenLayer[];
  close(): void;
}

/** Called with each file as soon as it is open, before anything is read: takes locks. */
export type FileOpened = (source: FileSource, isTop: boolean) => void;

/**
 * Opens an image and all its backing files and checks their headers.
 *
 * @throws SluiceError exit code 1 for a file that cannot be reached, 3 for what is refused. Nothing
 *   stays open then.
 */
export function openChain(path: string, options: ChainOptions, opened?: FileOpened): OpenChain {
  const sources: FileSource[] = [];
  const close = () => {
    for (const source of sources) source.close();
  };
  const open = (file: string, isTop: boolean): FileSource => {
    const source = new FileSource(file);
    const known = sources.map(({ identity }) => identity);
    sources.push(source);
    if (isTop && known.includes(source.identity)) {
      throw malformed(path, 'its external data file is the image itself');
    }
    opened?.(source, isTop);
    return source;
  };
  try {
    return { layers: openLayers(path, options, open), close };
  } catch (error) {
    close();
    throw error;
  }
}

type Open = (path: string, isTop: boolean) => FileSource;

function openLayers(path: string, options: ChainOptions, open: Open): OpenLayer[] {
  const layers: OpenLayer[] = [];
  const seen = new Set<string>();
  let next: { path: string; format: 'auto' | Format } | null = { path, format: options.format };
  while (next !== null) {
    const source = open(next.path, layers.length === 0);
    if (seen.has(source.identity)) {
      throw malformed(path, `its backing files form a loop at ${source.path}`);
    }
    if (layers.length === CHAIN_MAX) {
      throw unsupported(path, `it has more than ${CHAIN_MAX - 1} backing files`);
    }
    seen.add(source.identity);
    const layer = openLayer(source, next.format, layers.length === 0, options, open);
    layers.push(layer);
    next = backingOf(layer, options.backingFormats[layers.length - 1]);
  }
  return layers;
}

function openLayer(
  source: FileSource,
  asked: 'auto' | Format,
  isTop: boolean,
  options: ChainOptions,
  open: Open,
): OpenLayer {
  const head = source.read(0, Math.min(HEADER_HEAD_BYTES, source.size));
  const format = asked === 'auto' ? probeFormat(source.path, head) : asked;
  const warnings: string[] = [];
  if (format === 'raw') {
    if (isTop && options.snapshot !== null) {
      throw unsupported(source.path, 'a raw image has no snapshots');
    }
    return { source, format, size: roundUpToSector(source.size), qcow: null, warnings };
  }
  const header = parseHeader(source.path, head);
  const snapshots = readSnapshots(source.path, source, header);
  const layout =
    isTop && options.snapshot !== null
      ? layoutAt(source.path, header, snapshots, options.snapshot)
      : header;
  let dataSource: FileSource | null = null;
  if (layout.dataFileName !== null) {
    const target = resolveBackingName(source.path, layout.dataFileName);
    dataSource = open(target.path, isTop);
  }
  const qcow = { layout, l1: readL1(source, layout), snapshots, dataSource };
  return { source, format, size: roundUpToSector(layout.size), qcow, warnings };
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

/** The backing file that a layer names, and its format: as named, else as told, else raw. */
function backingOf(
  layer: OpenLayer,
  told: Format | undefined,
): { path: string; format: Format } | null {
  const { source, qcow } = layer;
  if (qcow === null || qcow.layout.backingName === null) return null;
  const { path, format: inName } = resolveBackingName(source.path, qcow.layout.backingName);
  const named = inName ?? qcow.layout.backingFormat;
  if (named !== null) return { path, format: backingFormat(source.path, named) };
  if (told === undefined) layer.warnings.push(...silentlyRaw(path));
  return { path, format: told ?? 'raw' };
}

/** QEMU also takes the names of its protocol drivers, which give the bytes as they are. */
function backingFormat(path: string, name: string): Format {
  if (name === 'qcow2') return 'qcow2';
  if (name === 'raw' || name === 'file' || name === 'host_device') return 'raw';
  throw unsupported(path, `its backing file has the format ${JSON.stringify(name)}`);
}

/** No format is recorded, so the file is raw; if it does not look raw, somebody should know. */
function silentlyRaw(path: string): string[] {
  const source = new FileSource(path);
  try {
    if (!isQcow(source.read(0, 8))) return [];
  } finally {
    source.close();
  }
  return [
    `its backing file ${path} looks like qcow2, but the image does not say so: taken as raw; use --format qcow2,qcow2 if it is not`,
  ];
}
