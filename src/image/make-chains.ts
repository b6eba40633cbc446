import type { Memory } from '../buffers/memory.js';
import type { Engine } from '../host/engine.js';
import type { EngineFile } from '../host/uring-engine.js';
import type { DiskConfig } from '../plane/disk.js';
import type { InflateCall } from '../plane/messages.js';
import { mapAnonymous } from '../sys/memory.js';
import { buildChain } from './build-chain.js';
import { Chain } from './chain.js';
import type { QcowLayer } from './qcow2/qcow-layer.js';
import { QcowWriter } from './qcow2/qcow-writer.js';
import { ChainWrites } from './qcow2/writes.js';
import type { Resume } from './waiters.js';

/** Logical blocks of a device, which alone can be zeroed there, are not larger. */
const DEVICE_HOLE_BYTES = 4096;

/** What chains are served with. */
export interface ChainParts {
  /** Made with the files of `listFiles`; takes addresses outside of `memory` too. */
  engine: Engine;
  memory: Memory;
  resume: Resume;
  /** See `Requests.watch`. */
  watch(disk: number): () => boolean;
  /** Called with clusters to inflate elsewhere. */
  inflate(call: InflateCall): void;
}

/** The disks' own host files, by the disks' numbers, and then those of their other layers. */
export function listFiles(disks: readonly DiskConfig[]): EngineFile[] {
  return [...disks, ...disks.flatMap((disk) => disk.chain?.files ?? [])];
}

/** The chain of each disk, null for a raw one, with files as numbered by `listFiles`. */
export function makeChains(disks: readonly DiskConfig[], parts: ChainParts): (Chain | null)[] {
  let next = disks.length;
  return disks.map((config, disk) => {
    if (config.chain === null) return null;
    const chain = makeChain(config, disk, next, parts);
    next += config.chain.files.length;
    addWriter(config, disk, chain, parts);
    return chain;
  });
}

/** @param first Number of the first of its further files. */
function makeChain(config: DiskConfig, disk: number, first: number, parts: ChainParts): Chain {
  const { layers, cacheBytes } = config.chain!;
  const number = (file: number): number => (file === 0 ? disk : first + file - 1);
  const numbered = layers.map(({ file, hostSize, qcow }) => ({
    file: number(file),
    hostSize,
    qcow: qcow === null ? null : { ...qcow, dataFile: number(qcow.dataFile) },
  }));
  const forTables = cacheBytes - refcountShare(config);
  const image = buildChain(numbered, forTables, mapAnonymous, config.growable);
  return new Chain(
    image,
    parts.engine,
    parts.resume,
    (request, method, bytes, clusterBytes) => {
      parts.inflate({ kind: 'inflate', disk, request, method, bytes, clusterBytes });
    },
    config.alignment,
  );
}

/** Bytes of a disk's metadata cache that are for the refcounts of the image that is written. */
function refcountShare({ chain }: DiskConfig): number {
  return chain?.write == null ? 0 : chain.cacheBytes / 8;
}

/** Makes the chain of a writable disk writable. */
function addWriter(config: DiskConfig, disk: number, chain: Chain, parts: ChainParts): void {
  const part = config.chain!.write;
  if (part === null) return;
  const { hostSize, alignment, blockDevice } = config;
  const { engine, memory, resume } = parts;
  const layer = chain.image.layers[0] as QcowLayer;
  const writer = new QcowWriter(layer, part, hostSize, refcountShare(config));
  chain.image.writer = writer;
  const watch = (): (() => boolean) => parts.watch(disk);
  chain.writes = new ChainWrites(
    chain,
    writer,
    engine,
    memory,
    resume,
    watch,
    disk,
    hostSize,
    alignment,
    blockDevice ? DEVICE_HOLE_BYTES : 1,
  );
}
