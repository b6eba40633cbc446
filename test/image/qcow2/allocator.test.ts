import test from 'ava';
import { Allocator, NEEDS_PIECE, TABLE_FULL } from '../../../src/image/qcow2/allocator.js';
import type { QcowLayout } from '../../../src/image/qcow2/layout.js';
import fc from '../../helpers/random-sequences.js';

/** The fields of a layout that an allocator needs. */
function layoutOf(clusterBytes: number, refcountOrder: number, tableClusters = 1): QcowLayout {
  const table = { refcountTableOffset: clusterBytes, refcountTableClusters: tableClusters };
  return { clusterBytes, refcountOrder, ...table } as QcowLayout;
}

/** The bytes of an image after the allocator's stages, decoded by independent code. */
class HostFile {
  readonly pieces = new Map<number, Uint8Array>();
  readonly #clusterBytes: number;
  readonly #bits: number;
  tableOffset: number;
  tableEntries: number;

  constructor(layout: QcowLayout) {
    this.#clusterBytes = layout.clusterBytes;
    this.#bits = 2 ** layout.refcountOrder;
    this.tableOffset = layout.refcountTableOffset;
    this.tableEntries = (layout.refcountTableClusters * layout.clusterBytes) / 8;
  }

  read(offset: number, length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    for (let i = 0; i < length; i++) bytes[i] = this.byte(offset + i);
    return bytes;
  }

  byte(offset: number): number {
    const unit = Math.min(4096, this.#clusterBytes);
    return this.pieces.get(offset - (offset % unit))?.[offset % unit] ?? 0;
  }

  #u64(offset: number): number {
    let value = 0;
    for (let i = 0; i < 8; i++) value = value * 256 + this.byte(offset + i);
    return value;
  }

  /** Refcount of a cluster according to the specification. */
  refcount(cluster: number): number {
    const perBlock = (this.#clusterBytes * 8) / this.#bits;
    const index = Math.floor(cluster / perBlock);
    if (index >= this.tableEntries) return 0;
    const block = this.#u64(this.tableOffset + index * 8);
    if (block === 0) return 0;
    const bit = (cluster % perBlock) * this.#bits;
    const at = block + Math.floor(bit / 8);
    if (this.#bits < 8) return (this.byte(at) >> (bit % 8)) & ((1 << this.#bits) - 1);
    let value = 0;
    for (let i = 0; i < this.#bits / 8; i++) value = value * 256 + this.byte(at + i);
    return value;
  }

  /** Writes a stage in the prescribed order. */
  write(allocator: Allocator): void {
    const { blocks } = allocator;
    const stage = blocks.stage();
    for (const [offset, bytes] of [...stage.pieces, ...stage.table]) this.pieces.set(offset, bytes);
    if (stage.moved) {
      this.tableOffset = blocks.tableOffset;
      this.tableEntries = (blocks.tableClusters * this.#clusterBytes) / 8;
    }
    stage.ended(true);
  }
}

/** An image with header, table, one block and `data` clusters of data. */
function begin(clusterBytes: number, order: number, data: number, cacheBytes: number) {
  const layout = layoutOf(clusterBytes, order);
  const file = new HostFile(layout);
  const empty = new Float64Array(clusterBytes / 8);
  // The first block is made like all others, after an empty file of two clusters.
  const maker = new Allocator(layout, empty, 2 * clusterBytes, new Set([0, 1]), cacheBytes);
  const bytes = (): Uint8Array => maker.blocks.find(0)!;
  for (let i = 0; i < data; i++) maker.allocate();
  for (const cluster of [0, 1]) maker.blocks.set(bytes(), cluster, 1);
  file.write(maker);
  const table = maker.blocks.table.slice();
  const metadata = new Set([
    0,
    1,
    ...[...table].filter((at) => at > 0).map((at) => at / clusterBytes),
  ]);
  return { layout, file, table, metadata, end: maker.end };
}

/** Allocates like a caller that reads the wanted pieces. */
function allocate(allocator: Allocator, file: HostFile): number {
  for (;;) {
    const host = allocator.allocate();
    if (host !== NEEDS_PIECE) return host;
    load(allocator, file);
  }
}

function free(allocator: Allocator, file: HostFile, offset: number, isTable = false): void {
  while (allocator.decrement(offset, isTable) === NEEDS_PIECE) load(allocator, file);
}

function load(allocator: Allocator, file: HostFile): void {
  const { blocks } = allocator;
  if (blocks.crowded) file.write(allocator);
  else blocks.loaded(blocks.wanted, file.read(blocks.offsetOf(blocks.wanted), blocks.pieceBytes));
}

const STEPS = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('allocate'), n: fc.nat(40) }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('free'), n: fc.nat() }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('write'), n: fc.constant(0) }) },
  ),
  { maxLength: 120 },
);

for (const [clusterBytes, order] of [
  [512, 6],
  [512, 4],
  [512, 0],
  [4096, 4],
  [16384, 6],
] as const) {
  const title = `${clusterBytes}-byte clusters, refcounts of ${2 ** order} bits`;
  test(`what is given out is free, and the disk has what was counted: ${title}`, (t) => {
    fc.assert(
      fc.property(STEPS, fc.nat(3000), (steps, data) => {
        const { layout, file, table, metadata, end } = begin(clusterBytes, order, data, 1 << 20);
        const allocator = new Allocator(layout, table, end, metadata, 0);
        const used = new Set<number>();
        for (let cluster = 0; cluster * clusterBytes < end; cluster++) {
          if (file.refcount(cluster) !== 1) throw new Error(`cluster ${cluster} is not counted`);
          if (!metadata.has(cluster)) used.add(cluster * clusterBytes);
        }
        for (const { kind, n } of steps) {
          if (kind === 'write') file.write(allocator);
          else if (kind === 'free' && used.size > 0) {
            const offset = [...used][n % used.size]!;
            used.delete(offset);
            free(allocator, file, offset);
          }
          for (let i = 0; kind === 'allocate' && i < n; i++) {
            const host = allocate(allocator, file);
            if (host === TABLE_FULL) break;
            const isOld = host < end;
            if (used.has(host) || metadata.has(host / clusterBytes)) throw new Error(`${host}`);
            if (isOld && allocator.fresh) throw new Error(`${host} is not zeros`);
            used.add(host);
          }
          for (const offset of allocator.released.tables.splice(0)) {
            file.write(allocator);
            free(allocator, file, offset, true);
          }
        }
        file.write(allocator);
        for (let cluster = 0; cluster * clusterBytes < allocator.end; cluster++) {
          const isUsed = used.has(cluster * clusterBytes) || metadata.has(cluster);
          if (file.refcount(cluster) !== (isUsed ? 1 : 0)) {
            throw new Error(
              `cluster ${cluster}: ${file.refcount(cluster)} on disk, used: ${isUsed}`,
            );
          }
        }
      }),
      { numRuns: clusterBytes === 512 ? 60 : 25 },
    );
    t.pass();
  });
}

test('freed clusters are given out before the file grows', (t) => {
  const { layout, file, table, metadata, end } = begin(65536, 4, 10, 1 << 20);
  const allocator = new Allocator(layout, table, end, metadata, 1 << 20);
  for (const cluster of [5, 7]) free(allocator, file, cluster * 65536);
  t.is(allocate(allocator, file), 5 * 65536);
  t.false(allocator.fresh);
  t.is(allocate(allocator, file), 7 * 65536);
  t.is(allocate(allocator, file), 13 * 65536);
  t.true(allocator.fresh);
  free(allocator, file, 13 * 65536);
  t.is(allocate(allocator, file), 13 * 65536);
  t.false(allocator.fresh, 'a cluster that was used in this session holds what was written to it');
});

test('clusters of metadata are never freed by a reference to data, nor given out', (t) => {
  const { layout, file, table, metadata, end } = begin(65536, 4, 10, 1 << 20);
  const allocator = new Allocator(layout, table, end, metadata, 1 << 20);
  for (const cluster of [0, 1, 2]) free(allocator, file, cluster * 65536);
  t.is(allocate(allocator, file), 13 * 65536);
  file.write(allocator);
  t.deepEqual(
    [0, 1, 2].map((cluster) => file.refcount(cluster)),
    [1, 1, 1],
  );
});

test('the table of refcounts moves when it is full, and its old clusters come free', (t) => {
  // 64 entries of 256 clusters each: 16384 clusters, 8 MiB.
  const { layout, file, table, metadata, end } = begin(512, 4, 16000, 1 << 20);
  const allocator = new Allocator(layout, table, end, metadata, 1 << 20);
  const first = allocate(allocator, file);
  t.true(first < 8 << 20);
  while (allocator.released.tables.length === 0) t.not(allocate(allocator, file), TABLE_FULL);
  t.deepEqual(allocator.released.tables, [512]);
  t.is(file.tableOffset, 512, 'not before it is written');
  file.write(allocator);
  t.is(file.tableOffset, 8 << 20, 'behind all that the old table counts');
  t.is(file.tableEntries, 128);
  t.is(file.refcount((8 << 20) / 512), 1);
  t.is(file.refcount(1), 1);
  free(allocator, file, 512, true);
  t.is(allocate(allocator, file), 512);
});

test('a table of 8 MiB does not grow any more', (t) => {
  const layout = layoutOf(2 << 20, 4, 4);
  const entries = (8 << 20) / 8;
  const perBlock = (2 << 20) / 2;
  const end = entries * perBlock * 2 ** 21;
  const allocator = new Allocator(layout, new Float64Array(entries), end, new Set(), 0);
  t.is(allocator.allocate(), TABLE_FULL);
});

test('a file that is larger than any table counts is full at once', (t) => {
  const layout = layoutOf(512, 4, 1);
  const allocator = new Allocator(layout, new Float64Array(64), 2 ** 50, new Set(), 0);
  t.is(allocator.allocate(), TABLE_FULL);
});

test('refcounts in memory are bounded', (t) => {
  // A piece of 512 bytes has 256 refcounts, so 16384 clusters have 64 pieces; 16 may stay in memory.
  const { layout, file, table, metadata, end } = begin(512, 4, 12000, 1 << 20);
  const allocator = new Allocator(layout, table, end, metadata, 16 * 512);
  for (let cluster = 100; cluster < 12000; cluster += 100) {
    if (!metadata.has(cluster)) free(allocator, file, cluster * 512);
  }
  t.true(allocator.blocks.cached <= 16, String(allocator.blocks.cached));
  file.write(allocator);
  t.is(file.refcount(200), 0);
  t.is(file.refcount(201), 1);
});

test('a large image is looked through for free clusters a little at a time', (t) => {
  const { layout, file, table, metadata, end } = begin(512, 4, 12000, 1 << 20);
  const allocator = new Allocator(layout, table, end, metadata, 1 << 20);
  let loads = 0;
  const next = (): number => {
    for (;;) {
      const host = allocator.allocate();
      if (host !== NEEDS_PIECE) return host;
      load(allocator, file);
      loads++;
    }
  };
  t.true(next() >= end);
  t.true(loads <= 5, String(loads));
  const before = loads;
  for (let i = 0; i < 40; i++) next();
  t.true(loads > before + 20, 'but all of it in the end');
});
