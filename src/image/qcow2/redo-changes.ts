import type { Task } from '../../host/engine.js';
import type { HostFile } from '../../host/host-file.js';
import { runNow } from '../../host/sync-engine.js';
import { SyncWriter } from '../../host/sync-writer.js';
import { assert } from '../../util/assert.js';
import { errnoName, hostErrorText } from '../../util/errno.js';
import { EXIT_FAILED, SluiceError } from '../../util/errors.js';
import { newExtent } from '../extent.js';
import type { Report } from '../format.js';
import { Mappings } from '../mappings.js';
import { REDO_LOG_BYTES, RedoLog, type RedoRecord } from '../redo-log.js';
import { MISSING, makeSliceCache } from '../slice-cache.js';
import { NEEDS_PIECE, type Released } from './allocator.js';
import { CHANGE, ChangeLog } from './change-log.js';
import { entryOffset } from './entries.js';
import { Flushes } from './flushes.js';
import { geometryOf } from './layout.js';
import { QcowLayer } from './qcow-layer.js';
import { QcowWriter } from './qcow-writer.js';
import type { QcowPart, WritePart } from './read-for-writing.js';

/** The only request there is. */
const ONLY = 0;

/** Refcounts of all records are in memory: there are not that many. */
const UNBOUNDED = 2 ** 40;

/**
 * Makes the changes again that a daemon had in memory when it died, and writes them as it would have done at its end. It may
 * die itself at any moment, and the next one does it again.
 *
 * The tables on the disk may have any part of these changes: a flush may have been under way. A cluster that was allocated for
 * a write that had not ended is free again.
 *
 * @param descriptor Of the RedoLog, which is empty afterwards.
 * @returns Whether there were any: then the image has other metadata than `part` and `writing` say.
 * @throws SluiceError exit code 1 if the host fails. The log stays as it is then.
 */
export function redoChanges(
  file: HostFile,
  part: QcowPart,
  writing: WritePart,
  descriptor: number,
  report: Report,
): boolean {
  const mappings = new Mappings();
  try {
    const log = new RedoLog(mappings.share(descriptor, REDO_LOG_BYTES));
    if (log.length === 0) return false;
    const records = [...log.records()];
    const edit = file.edit();
    try {
      redo(file, edit.descriptor, part, writing, log, records, mappings);
    } finally {
      edit.close();
    }
    report.info(`${file.path}: ${records.length} changes of its tables are made again`);
    return true;
  } finally {
    mappings.release();
  }
}

function redo(
  file: HostFile,
  descriptor: number,
  { layout, dataFile }: QcowPart,
  writing: WritePart,
  log: RedoLog,
  records: readonly RedoRecord[],
  mappings: Mappings,
): void {
  const { path } = file;
  const engine = new SyncWriter();
  const add = (one: number): number => engine.add({ descriptor: one, inMemory: false });
  const own = add(descriptor);
  const data = dataFile === null ? own : add(dataFile.descriptor);
  const { sliceBytes, sliceCoverage, clusterBytes } = geometryOf(layout);
  const sliceOf = (cluster: number): number => Math.floor((cluster * clusterBytes) / sliceCoverage);
  const isEntry = (kind: number): boolean => kind === CHANGE.entry || kind === CHANGE.newEntry;
  const entries = records.filter(({ kind }) => isEntry(kind));
  // All of them stay until they are written.
  const slices = new Set(entries.map(({ index }) => sliceOf(index))).size;
  const resume = (): void => {};
  const io = { engine, resume, mappings, growable: false, cacheBytes: slices * sliceBytes };
  const cache = makeSliceCache(slices, sliceBytes, 'big-endian', io);
  const layer = new QcowLayer(layout, writing.l1, cache, own, data);
  const writer = new QcowWriter(layer, writing, file.size, UNBOUNDED, new ChangeLog(log));
  const changes = new Changes(file, writer);
  for (const record of records) check(path, runNow(changes.make(record)));
  writer.allocator.adoptReleased(changes.released);
  check(path, runNow(new Flushes(writer, { file: own, hostSize: file.size }, io).close(ONLY)));
}

/** Makes changes that a log tells of, in memory. */
class Changes {
  /** References that are still to be taken away. */
  released: Released = { data: [], tables: [] };
  readonly #file: HostFile;
  readonly #writer: QcowWriter;

  constructor(file: HostFile, writer: QcowWriter) {
    this.#file = file;
    this.#writer = writer;
  }

  /** 0 or -errno. */
  *make({ kind, index, values }: RedoRecord): Task {
    const [first, second, third] = values;
    const value = first * 2 ** 32 + second;
    const writer = this.#writer;
    const { allocator } = writer;
    if (kind === CHANGE.refcount) this.#setRefcount(index, value);
    else if (kind === CHANGE.run) {
      for (let i = 0; i < first; i++) this.#setRefcount(index + i, 1);
    } else if (kind === CHANGE.block) allocator.redoBlock(index, value);
    else if (kind === CHANGE.table) allocator.redoTable(index, first);
    else if (kind === CHANGE.entry) return yield* this.#setEntry(index, values);
    else if (kind === CHANGE.newEntry) {
      const { clusterBytes } = writer.layer.geometry;
      this.#setRefcount(entryOffset(first, second) / clusterBytes, 1);
      return yield* this.#setEntry(index, values);
    } else if (kind === CHANGE.l1) writer.redoL1(index, value);
    else if (kind === CHANGE.l1Grown) {
      writer.redoGrowL1(index, first === 0 ? null : second * 2 ** 32 + third);
    } else if (kind === CHANGE.size) writer.setSize(index);
    else this.#release(kind, index, first);
    return 0;
  }

  #setRefcount(cluster: number, value: number): void {
    const { allocator } = this.#writer;
    const { blocks } = allocator;
    if (allocator.redoRefcount(cluster, value) !== NEEDS_PIECE) return;
    const { wanted, pieceBytes } = blocks;
    blocks.loaded(wanted, this.#file.read(blocks.offsetOf(wanted), pieceBytes));
    allocator.redoRefcount(cluster, value);
  }

  *#setEntry(cluster: number, values: readonly number[]): Task {
    const { layer } = this.#writer;
    const { clusterBytes, sliceCoverage } = layer.geometry;
    const offset = cluster * clusterBytes;
    const slice = Math.floor(offset / sliceCoverage);
    if (layer.cache.find(slice) === MISSING) {
      const extent = newExtent();
      layer.map(offset, 1, extent);
      const error = yield* layer.load(ONLY, extent);
      if (error < 0) return error;
    }
    this.#writer.redoEntry(layer.cache.find(slice), cluster, values);
    return 0;
  }

  #release(kind: number, offset: number, isTable: number): void {
    const list = isTable === 1 ? this.released.tables : this.released.data;
    if (kind === CHANGE.restated) this.released = { data: [], tables: [] };
    else if (kind === CHANGE.released) list.push(offset);
    else {
      assert(kind === CHANGE.settled, `the redo log has a record of kind ${kind}`);
      const at = list.indexOf(offset);
      if (at >= 0) list.splice(at, 1);
    }
  }
}

function check(path: string, result: number): void {
  if (result >= 0) return;
  const what = `changes of its tables cannot be made again: ${hostErrorText(result)}`;
  throw new SluiceError(`${path}: ${what}`, errnoName(result), EXIT_FAILED);
}
