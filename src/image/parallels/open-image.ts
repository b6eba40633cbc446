import type { HostFile } from '../../host/host-file.js';
import { formatSize } from '../../util/units.js';
import { type BlockTable, oneTable } from '../block-table.js';
import { u64, viewOf } from '../fields.js';
import type { OpenHow, OpenImage } from '../format.js';
import { malformed, refuseSnapshot, unsupported } from '../refusal.js';
import { isDescriptor, readDescriptor } from './descriptor.js';

// QEMU: docs/interop/parallels.txt. Numbers are little-endian.

const HEADER_BYTES = 64;
/** These tell whether it is a descriptor. */
const PROBED_BYTES = 512;
/** Entries of the table are sectors, and a disk has less than 2^32 of them. */
const OLD_SIGNATURE = 'WithoutFreeSpace';
/** Entries are clusters. */
const SIGNATURE = 'WithouFreSpacExt';
/** Where the header says whether the image is open for writing. */
const IN_USE = 0x746f6e59;

/** The metadata of a layer, as `LayerConfig` has it. */
export interface ParallelsMetadata {
  table: BlockTable;
  /** Bytes of the file that an entry of 1 stands for. */
  entryUnit: number;
}

/** The same for a disk whose file has its bytes as they are. */
export interface PlainMetadata {
  plainBytes: number;
}

export function isParallels(head: Uint8Array): boolean {
  return isImage(head) || isDescriptor(head);
}

function isImage(head: Uint8Array): boolean {
  return [OLD_SIGNATURE, SIGNATURE].includes(signatureOf(head));
}

function signatureOf(head: Uint8Array): string {
  return Buffer.from(head.subarray(0, SIGNATURE.length)).toString('latin1');
}

/** See `Format.open`. A descriptor names the file that has the disk. */
export function openParallels(file: HostFile, how: OpenHow): OpenImage {
  const { path } = file;
  refuseSnapshot(path, how.snapshot, 'a Parallels image');
  if (!isDescriptor(file.read(0, PROBED_BYTES))) return openImage(file);
  const { name, isPlain, size } = readDescriptor(file);
  const data = how.openDataFile(name);
  const image = isPlain ? openPlain(data, size) : openImage(data);
  if (image.size !== size) {
    throw malformed(path, `its disk has ${size} bytes, and ${data.path} ${image.size}`);
  }
  return { ...image, dataFiles: [data] };
}

function openPlain({ path, size: bytes }: HostFile, size: number): OpenImage {
  if (bytes < size) throw malformed(path, `the file is cut off: it has ${bytes} of ${size} bytes`);
  return {
    size,
    backing: null,
    dataFiles: [],
    unitBytes: Number.POSITIVE_INFINITY,
    canGrow: false,
    methods: [],
    metadata: { plainBytes: size } satisfies PlainMetadata,
    hasSparseData: () => true,
    describe: () => ({ features: null, lines: [], snapshots: [], problems: [] }),
  };
}

function openImage(file: HostFile): OpenImage {
  const { path } = file;
  const head = file.read(0, HEADER_BYTES);
  if (!isImage(head) || file.size < HEADER_BYTES) {
    throw malformed(path, 'not a Parallels image');
  }
  const view = viewOf(head);
  const version = view.getUint32(16, true);
  if (version !== 2) throw unsupported(path, `Parallels version ${version}; only version 2 is`);
  const isOld = signatureOf(head) === OLD_SIGNATURE;
  const blockBytes = view.getUint32(28, true) * 512;
  const sectors = isOld ? view.getUint32(36, true) : u64(view, 36, true);
  const size = sectors * 512;
  const table = oneTable(file, {
    ...{ size, blockBytes, order: 'little-endian', hasBacking: true },
    ...{ offset: HEADER_BYTES, entries: view.getUint32(32, true) },
  });
  const inUse = view.getUint32(44, true) === IN_USE;
  const kind = isOld ? 'entries in sectors' : 'entries in clusters';
  return {
    size,
    backing: null,
    dataFiles: [],
    // The table begins within a sector.
    unitBytes: 1,
    canGrow: false,
    methods: [],
    metadata: { table, entryUnit: isOld ? 512 : blockBytes } satisfies ParallelsMetadata,
    hasSparseData: () => false,
    describe: () => ({
      features: { clusterSize: blockBytes, extended: !isOld, inUse },
      lines: [['features', `${formatSize(blockBytes)} clusters, ${kind}`]],
      snapshots: [],
      problems: inUse ? ['it was not closed; some clusters may be in no use'] : [],
    }),
  };
}
