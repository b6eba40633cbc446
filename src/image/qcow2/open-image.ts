import type { HostFile } from '../../host/host-file.js';
import { formatSize, SIZE_MAX } from '../../util/units.js';
import { roundUpToSector } from '../extent.js';
import type { BackingName, Description, OpenHow, OpenImage, Report } from '../format.js';
import type { Compression } from '../inflate-calls.js';
import { malformed } from '../refusal.js';
import { type QcowLayout, smallestUnit } from './layout.js';
import { HEADER_START_BYTES, headBytes, parseHeader } from './parse-header.js';
import { isPreallocated } from './preallocation.js';
import { lostBitmaps, prepareWriting } from './prepare-writing.js';
import {
  checkWritable,
  type QcowPart,
  readForWriting,
  type WritePart,
} from './read-for-writing.js';
import { redoChanges } from './redo-changes.js';
import { findSnapshot, readSnapshots, type Snapshot, snapshotLayout } from './snapshots.js';
import { readL1 } from './tables.js';

/** The metadata of a layer, as `LayerConfig` has it. */
export interface QcowMetadata {
  layout: QcowLayout;
  /** From `readL1`. */
  l1: Float64Array;
}

/** See `Format.open`. */
export function openImage(file: HostFile, { snapshot, openDataFile }: OpenHow): QcowImage {
  const { path } = file;
  const wanted = headBytes(file.read(0, Math.min(HEADER_START_BYTES, file.size)));
  const header = parseHeader(path, file.read(0, Math.min(wanted, file.size)));
  const snapshots = readSnapshots(file, header);
  const layout = snapshot === null ? header : layoutAt(path, header, snapshots, snapshot);
  const dataFile = layout.dataFileName === null ? null : openDataFile(layout.dataFileName);
  if (layout.size > SIZE_MAX) throw malformed(path, 'its virtual size is above 2^53 bytes');
  return new QcowImage(file, { layout, l1: readL1(file, layout), snapshots, dataFile });
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

/** A qcow2 image that is open for reading. */
export class QcowImage implements OpenImage {
  readonly file: HostFile;
  /** A repair changes it. */
  readonly part: QcowPart;

  constructor(file: HostFile, part: QcowPart) {
    this.file = file;
    this.part = part;
  }

  get size(): number {
    return roundUpToSector(this.part.layout.size);
  }

  get backing(): BackingName | null {
    const { backingName: name, backingFormat: format } = this.part.layout;
    return name === null ? null : { names: [name], format };
  }

  get dataFiles(): HostFile[] {
    const { dataFile } = this.part;
    return dataFile === null ? [] : [dataFile];
  }

  get unitBytes(): number {
    return smallestUnit(this.part.layout);
  }

  /** The size of a data file would have to change too. */
  get canGrow(): boolean {
    return this.part.dataFile === null;
  }

  get methods(): readonly Compression[] {
    return [this.part.layout.compression];
  }

  get metadata(): QcowMetadata {
    const { layout, l1 } = this.part;
    return { layout, l1 };
  }

  get writingWarning(): string | null {
    return lostBitmaps(this.part);
  }

  hasSparseData(): boolean {
    return isPreallocated(this.file, this.part.layout);
  }

  describe(): Description {
    const { layout, snapshots } = this.part;
    const repair = 'it can be read, and written when qemu-img check repaired it';
    return {
      ...describeFeatures(layout),
      snapshots: snapshots.map(({ id, name, dateMs, size, stateBytes }) => ({
        id,
        name,
        date: new Date(dateMs).toISOString(),
        virtualSize: size,
        stateSize: stateBytes,
      })),
      problems: layout.features.corrupt ? [`marked as corrupt: ${repair}`] : [],
    };
  }

  checkWriting(): void {
    checkWritable(this.file, this.part);
  }

  async prepareWriting(report: Report, redo?: number): Promise<WritePart> {
    let writing = await prepareWriting(this.file, this.part, report);
    if (redo !== undefined && redoChanges(this.file, this.part, writing, redo, report)) {
      const { path } = this.file;
      const wanted = headBytes(this.file.read(0, HEADER_START_BYTES));
      this.part.layout = parseHeader(path, this.file.read(0, wanted));
      writing = readForWriting(this.file, this.part);
    }
    // A writer needs all of the table, also beyond the end of the disk.
    this.part.l1 = writing.l1;
    return writing;
  }
}

function describeFeatures(layout: QcowLayout): Pick<Description, 'features' | 'lines'> {
  const { version, clusterBytes, compression, extendedL2, features, dataFileRaw } = layout;
  const refcountBits = 2 ** layout.refcountOrder;
  const words = [
    `version ${version}`,
    `${formatSize(clusterBytes)} clusters`,
    `${compression} compression`,
    `${refcountBits}-bit refcounts`,
  ];
  if (extendedL2) words.push('extended L2');
  if (features.lazyRefcounts) words.push('lazy refcounts');
  if (features.bitmaps > 0) words.push(`${features.bitmaps} bitmaps`);
  if (features.dirty) words.push('dirty');
  if (features.corrupt) words.push('corrupt');
  const lines: [string, string][] = [['features', words.join(', ')]];
  const { dataFileName: dataFile } = layout;
  if (dataFile !== null) lines.push(['data file', `${dataFile}${dataFileRaw ? ' (raw)' : ''}`]);
  const sizes = { version, clusterSize: clusterBytes, compression, extendedL2, refcountBits };
  return { features: { ...sizes, ...features, dataFile, dataFileRaw }, lines };
}
