import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { LocalFile } from '../../src/host/local-file.js';
import { runNow, SyncEngine } from '../../src/host/sync-engine.js';
import { BlockLayer, HOLE, INVALID, ZEROS } from '../../src/image/block-layer.js';
import { type BlockTable, BROKEN_TABLE, NO_TABLE } from '../../src/image/block-table.js';
import { BROKEN, DATA, METADATA, newExtent, UNALLOCATED, ZERO } from '../../src/image/extent.js';
import { Mappings } from '../../src/image/mappings.js';
import { Random } from '../../tools/exerciser/random.js';
import { TMPFS, tempFolder } from '../helpers/temp.js';

const BLOCK = 1536;
const BLOCKS = 300;

/** An entry is 0 for a hole, 1 for zeros, 2 for nonsense, else the place of the block. */
const place = (words: Uint32Array, at: number): number => {
  const value = words[at]!;
  return value > 2 ? value : ([HOLE, ZEROS, INVALID][value] ?? 0);
};

/** Table of an image, by default one part at offset 100, with entries as given. */
function makeLayer(
  t: ExecutionContext,
  entries: readonly number[],
  table: Partial<BlockTable> = {},
): BlockLayer {
  const path = join(tempFolder(t, TMPFS), 'image');
  const entryBytes = table.entryBytes ?? 4;
  const bytes = Buffer.alloc(100 + entries.length * entryBytes);
  for (const [index, entry] of entries.entries()) {
    if (table.order === 'big-endian') bytes.writeUInt32BE(entry, 100 + index * entryBytes);
    else bytes.writeUInt32LE(entry, 100 + index * entryBytes);
  }
  writeFileSync(path, bytes);
  const file = new LocalFile(path);
  t.teardown(() => file.close());
  const engine = new SyncEngine();
  const handle = engine.add({ descriptor: file.descriptor, inMemory: false });
  const io = { engine, resume: () => {}, cacheBytes: 0, growable: false, mappings: new Mappings() };
  const whole: BlockTable = {
    size: BLOCKS * BLOCK,
    blockBytes: BLOCK,
    entryBytes,
    order: 'little-endian',
    tables: Float64Array.of(100),
    tableEntries: entries.length,
    sliceBytes: 64,
    groupBlocks: Number.POSITIVE_INFINITY,
    hasBacking: true,
    hostBytes: Number.POSITIVE_INFINITY,
    ...table,
  };
  return new BlockLayer(whole, { place }, handle, io);
}

/** Kind, offset and length of each extent of a range. */
function extentsOf(layer: BlockLayer, from = 0, end = layer.size): [number, number, number][] {
  const extent = newExtent();
  const found: [number, number, number][] = [];
  for (let at = from; at < end; ) {
    layer.map(at, end - at, extent);
    if (extent.kind === METADATA) {
      runNow(layer.load(0, extent));
      continue;
    }
    found.push([extent.kind, extent.offset, extent.length]);
    at += extent.length;
  }
  return found;
}

/** State and place of each byte, by a table without any cache. */
function model(entries: readonly number[], index: (block: number) => number, byte: number): string {
  const block = Math.floor(byte / BLOCK);
  const entry = entries[index(block)] ?? 0;
  if (entry <= 2) return [UNALLOCATED, ZERO, BROKEN][entry]!.toString();
  return `${DATA} ${entry + (byte % BLOCK)}`;
}

const SHAPES: Record<string, Partial<BlockTable>> = {
  'little-endian numbers': {},
  'big-endian numbers': { order: 'big-endian' },
  'numbers of 64 bits': { entryBytes: 8 },
  'an entry of something else after every 7': { groupBlocks: 7 },
};

for (const [title, shape] of Object.entries(SHAPES)) {
  test(`random tables map as their entries say: ${title}`, (t) => {
    for (let seed = 1; seed <= 8; seed++) {
      const random = new Random(seed, 0);
      const entries: number[] = [];
      while (entries.length < BLOCKS * 2) {
        const value = random.below(5);
        const run = 1 + random.below(40);
        const start = 3 + random.below(1 << 30);
        for (let i = 0; i < run; i++) entries.push(value < 3 ? value : start + i * BLOCK);
      }
      const layer = makeLayer(t, entries, shape);
      const index = (block: number) => block + Math.floor(block / (shape.groupBlocks ?? Infinity));
      // Once more, when it is known which slices are empty.
      for (const from of [random.below(layer.size / 2), 0, random.below(layer.size)]) {
        let at = from;
        for (const [kind, offset, length] of extentsOf(layer, from)) {
          for (const byte of [0, length >> 1, length - 1]) {
            const told = kind === DATA ? `${kind} ${offset + byte}` : String(kind);
            if (told !== model(entries, index, at + byte))
              t.is(told, model(entries, index, at + byte));
          }
          at += length;
        }
        t.is(at, layer.size);
      }
    }
  });
}

test('blocks that are alike are one extent, up to the end of a slice', (t) => {
  const entries = Array.from({ length: BLOCKS }, (_, index) => 10_000 + index * BLOCK);
  const all = extentsOf(makeLayer(t, entries));
  t.deepEqual(all.slice(0, 2), [
    [DATA, 10_000, 16 * BLOCK],
    [DATA, 10_000 + 16 * BLOCK, 16 * BLOCK],
  ]);
  t.is(all.length, Math.ceil(BLOCKS / 16));
});

test('parts of a table: those that are missing are one extent, broken ones too', (t) => {
  // Each part has 32 entries, which are two slices. The file has one of them, at 100.
  const tables = Float64Array.of(NO_TABLE, NO_TABLE, 100, BROKEN_TABLE, BROKEN_TABLE, NO_TABLE);
  const entries = Array.from({ length: 32 }, (_, index) => (index === 20 ? 5000 : 1));
  const layer = makeLayer(t, entries, { tables, tableEntries: 32 });
  t.deepEqual(extentsOf(layer), [
    [UNALLOCATED, -1, 64 * BLOCK],
    [ZERO, -1, 16 * BLOCK],
    [ZERO, -1, 4 * BLOCK],
    [DATA, 5000, BLOCK],
    [ZERO, -1, 11 * BLOCK],
    [BROKEN, -1, 64 * BLOCK],
    [UNALLOCATED, -1, (BLOCKS - 160) * BLOCK],
  ]);
  t.deepEqual(extentsOf(layer, 10, 20), [[UNALLOCATED, -1, 10]]);
});

test('without a backing file a hole reads as zeros', (t) => {
  const layer = makeLayer(t, new Array(BLOCKS).fill(0), { hasBacking: false });
  t.is(extentsOf(layer)[0]![0], ZERO);
});

for (const [title, shape] of Object.entries(SHAPES)) {
  test(`slices without a block are loaded once, and then are one extent: ${title}`, (t) => {
    // One block in the middle of thousands, in a cache that holds some of the slices.
    const blocks = 6000;
    const { groupBlocks = Number.POSITIVE_INFINITY } = shape;
    const indexOf = (block: number): number => block + Math.floor(block / groupBlocks);
    const entries: number[] = new Array(indexOf(blocks) + 1).fill(0);
    entries[indexOf(3000)] = 5000;
    const layer = makeLayer(t, entries, { ...shape, size: blocks * BLOCK });
    t.true(layer.slices > 2 * layer.cache.places);
    t.true(extentsOf(layer).length > blocks / 16);
    // The slice of the block is not empty; nor is the last one, which has more entries than blocks.
    const again = extentsOf(layer);
    t.true(again.length <= 5, String(again.length));
    const holes = again.filter(([kind]) => kind === UNALLOCATED);
    t.is(
      holes.reduce((sum, [, , length]) => sum + length, 0),
      (blocks - 1) * BLOCK,
    );
    t.true(
      again.some(
        ([kind, offset, length]) => `${kind} ${offset} ${length}` === `${DATA} 5000 ${BLOCK}`,
      ),
    );
    const extent = newExtent();
    layer.map(100, 2900 * BLOCK, extent);
    t.like(extent, { kind: UNALLOCATED, length: 2900 * BLOCK });
  });
}

test('a hole reaches over empty slices and missing parts of a table alike', (t) => {
  const tables = Float64Array.of(100, NO_TABLE, 100, 100, NO_TABLE);
  const layer = makeLayer(t, new Array(32).fill(0), { tables, tableEntries: 32 });
  extentsOf(layer);
  t.deepEqual(extentsOf(layer), [[UNALLOCATED, -1, BLOCKS * BLOCK]]);
  t.deepEqual(extentsOf(layer, 40 * BLOCK + 1, 130 * BLOCK), [[UNALLOCATED, -1, 90 * BLOCK - 1]]);
});

test('without a backing file slices of zeros are holes like others', (t) => {
  const layer = makeLayer(t, new Array(BLOCKS).fill(1), { hasBacking: false, size: 288 * BLOCK });
  t.is(extentsOf(layer).length, 288 / 16);
  t.true(extentsOf(layer).length <= 2);
  const above = makeLayer(t, new Array(BLOCKS).fill(1), { size: 288 * BLOCK });
  for (let round = 0; round < 2; round++) {
    for (const [kind] of extentsOf(above)) t.is(kind, ZERO);
  }
});

test('a block that begins behind the end of a file that was cut off is broken, not zeros', (t) => {
  const places = [10_000, 10_000 + BLOCK, 10_000 + 2 * BLOCK, 10_000 + 3 * BLOCK];
  const layer = makeLayer(t, places, { size: 4 * BLOCK, hostBytes: 10_000 + 2 * BLOCK });
  t.deepEqual(extentsOf(layer), [
    [DATA, 10_000, 2 * BLOCK],
    [BROKEN, 10_000 + 2 * BLOCK, 2 * BLOCK],
  ]);
});
