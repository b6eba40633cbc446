import { PENDING, type Task } from '../host/engine.js';
import type { HostFile } from '../host/host-file.js';
import { SyncEngine } from '../host/sync-engine.js';
import { readTable, type SectorSizes, sectorSizesFor } from '../partitions/read-table.js';
import type { ByteRange, Partition, PartitionTable } from '../partitions/table.js';
import { type Mapping, mapAnonymous } from '../sys/memory.js';
import { hostErrorText } from '../util/errno.js';
import { formatNamed } from './formats.js';
import { inflate } from './inflate.js';
import { type InflateCall, InflateCalls } from './inflate-calls.js';
import type { Layers } from './layers.js';
import { makeLayers } from './make-driver.js';
import { Mappings } from './mappings.js';
import { type ChainOptions, layerConfigs, type OpenChain, openChain } from './open-chain.js';

/** The only request there is where calls wait. */
export const REQUEST = 0;

/** The layers of an open image, read by plain calls that wait. */
export interface WaitingLayers {
  layers: Layers;
  /** By the engine's handles. */
  files: readonly HostFile[];
  engine: SyncEngine;
  mappings: Mappings;
}

/** @param cacheBytes Bound of the metadata caches. */
export function waitingLayers(
  chain: OpenChain,
  cacheBytes: number,
  inflateCalls = new InflateCalls(() => {}),
): WaitingLayers {
  const engine = new SyncEngine();
  const { files, layers: configs } = layerConfigs(chain);
  const handles = files.map(({ descriptor, waiting }) => {
    return engine.add({ descriptor, inMemory: false, waiting });
  });
  const config = { layers: configs, alignment: 1, growable: false, writing: null, cacheBytes };
  const mappings = new Mappings();
  const io = { engine, resume: () => {}, inflateCalls, mappings };
  return { layers: makeLayers(config, handles, io), files, engine, mappings };
}

/** A table needs a piece or two of an image's metadata. */
const TABLE_CACHE_BYTES = 1 << 18;
/** The longest piece that is read of a table. */
const PIECE_BYTES = 256 << 10;
/** One for all images of this thread, because it is never unmapped. */
let piece: Mapping | null = null;

/** The partition table of an image, and where it was found. Plain data. */
export interface TableFound {
  /** How it was looked for. */
  sectors: SectorSizes;
  /** Null if there is none, or it cannot be read. */
  table: PartitionTable | null;
  /** What was looked at: while these bytes stay as they are, so does the table. */
  ranges: ByteRange[];
  /** Why it cannot be read; '' if it can. */
  failure: string;
  /** The partitions that a process before has shown, where they are other ones; missing: those of the table count. */
  shown?: Partition[];
}

/**
 * Reads the partition table of an open image, through its layers.
 * @param sectorSize That the user asks for; null: see `sectorSizesFor`.
 */
export async function findTable(chain: OpenChain, sectorSize: number | null): Promise<TableFound> {
  const { file, format } = chain.layers[0]!;
  const isDevice = file.blockDevice && !formatNamed(format).hasMetadata;
  const sectors = sectorSizesFor(sectorSize, isDevice ? file.blockBytes : null);
  let call: InflateCall | null = null;
  const calls = new InflateCalls((asked) => {
    call = asked;
  });
  const { layers, mappings } = waitingLayers(chain, TABLE_CACHE_BYTES, calls);
  piece ??= mapAnonymous(PIECE_BYTES);
  const bytes = new Uint8Array(piece.buffer);
  const ranges: ByteRange[] = [];
  const reading = readTable(layers.top.size, sectors);
  let step = reading.next();
  while (!step.done) {
    const { offset, length } = step.value;
    ranges.push(step.value);
    const task = layers.read(REQUEST, piece, 0, offset, offset + length);
    const result = await finish(task, async () => {
      const { method, bytes, clusterBytes } = call!;
      calls.ended(REQUEST, await inflate(method, bytes, clusterBytes));
    });
    if (result < 0) {
      mappings.release();
      return { sectors, table: null, ranges, failure: hostErrorText(-result) };
    }
    step = reading.next(bytes.slice(0, length));
  }
  mappings.release();
  return { sectors, table: step.value, ranges, failure: '' };
}

/** The partition table of an image, and its faults as sentences. */
export async function describeTable(
  path: string,
  options: ChainOptions,
  sectorSize: number | null,
): Promise<{ table: PartitionTable | null; problems: string[] }> {
  const chain = openChain(path, options);
  try {
    const found = await findTable(chain, sectorSize);
    return {
      table: found.table,
      problems: faultsOf(found).map((text) => `partition table: ${text}`),
    };
  } finally {
    chain.close();
  }
}

/** The faults of a table, a sentence each. */
export function faultsOf({ table, failure }: TableFound): string[] {
  return failure === '' ? (table?.problems ?? []) : [`it cannot be read: ${failure}`];
}

/** Runs a task to its end. @param wait Does what the task waits for. */
export async function finish(task: Task, wait: () => Promise<void>): Promise<number> {
  let step = task.next(0);
  while (!step.done) {
    if (step.value === PENDING) await wait();
    step = task.next(step.value === PENDING ? 0 : step.value);
  }
  return step.value;
}
