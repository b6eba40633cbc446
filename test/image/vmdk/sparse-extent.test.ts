import test from 'ava';
import type { Engine } from '../../../src/host/engine.js';
import {
  BROKEN,
  COMPRESSED,
  DATA,
  METADATA,
  newExtent,
  UNALLOCATED,
  ZERO,
} from '../../../src/image/extent.js';
import { Mappings } from '../../../src/image/mappings.js';
import { makeSliceCache } from '../../../src/image/slice-cache.js';
import { BROKEN_TABLE } from '../../../src/image/vmdk/grain-directory.js';
import type { SparsePiece } from '../../../src/image/vmdk/pieces.js';
import {
  GRAIN_SLICE_BYTES,
  SparseExtent,
  slicesPerTable,
} from '../../../src/image/vmdk/sparse-extent.js';
import type { SparseLayout } from '../../../src/image/vmdk/sparse-header.js';
import { bytesAt } from '../../../src/sys/memory.js';

const GRAIN = 65536;
const FILE = 3;
const HOST_SIZE = 1 << 30;
const LAYOUT: SparseLayout = {
  type: 'hosted',
  capacity: 1024 * GRAIN,
  grainBytes: GRAIN,
  entriesPerTable: 512,
  entryBytes: 4,
  directory: 512,
  zeroGrains: true,
  compressedAt: null,
  tables: 0,
  grains: 0,
  descriptor: { offset: 0, length: 0 },
  version: 1,
  unclean: false,
};

/** An extent whose tables have these words, by table. All slices are loaded, or none. */
function makeExtent(
  words: readonly (readonly number[] | null)[],
  change: Partial<SparseLayout> = {},
  isLoaded = true,
) {
  const layout = { ...LAYOUT, ...change };
  const tableBytes = layout.entriesPerTable * layout.entryBytes;
  let loads = 0;
  const engine: Pick<Engine, 'read'> = {
    read: (_request, _file, address, length, offset) => {
      loads++;
      const table = Math.floor((offset - 512) / tableBytes);
      const bytes = Buffer.alloc(tableBytes + GRAIN_SLICE_BYTES);
      for (const [index, word] of (words[table] ?? []).entries()) {
        bytes.writeUInt32LE(word, index * 4);
      }
      const from = (offset - 512) % tableBytes;
      bytesAt(address, length).set(bytes.subarray(from, from + length));
      return length;
    },
  };
  const tables = Uint32Array.from(words, (one, index) =>
    one === null ? 0 : 1 + (index * tableBytes) / 512,
  );
  const io = {
    engine: engine as Engine,
    resume: () => {},
    cacheBytes: 1 << 20,
    growable: false,
    mappings: new Mappings(),
  };
  const perTable = slicesPerTable(layout);
  const cache = makeSliceCache(
    10 + tables.length * perTable,
    GRAIN_SLICE_BYTES,
    'little-endian',
    io,
  );
  const piece: SparsePiece = {
    kind: 'sparse',
    ...{ start: 0, length: layout.capacity, file: 0 },
    ...{ hostSize: HOST_SIZE, layout, tables },
  };
  const extent = new SparseExtent(piece, FILE, cache, 10);
  const answer = newExtent();
  const map = (offset: number, length = layout.capacity - offset) => {
    for (;;) {
      extent.map(offset, length, answer);
      if (answer.kind !== METADATA || !isLoaded) return { ...answer };
      const task = cache.load(0, answer);
      for (let step = task.next(); !step.done; ) step = task.next(step.value);
    }
  };
  return { extent, map, tables, loads: () => loads };
}

test('runs of grains that are alike and contiguous are one extent', (t) => {
  const { map } = makeExtent([[128, 256, 512, 1, 1, 0, 0, 128], null]);
  t.like(map(100), { kind: DATA, file: FILE, offset: 65536 + 100, length: 2 * GRAIN - 100 });
  t.like(map(2 * GRAIN), { kind: DATA, offset: 512 * 512, length: GRAIN });
  t.like(map(3 * GRAIN), { kind: ZERO, offset: -1, length: 2 * GRAIN });
  t.like(map(5 * GRAIN + 1), { kind: UNALLOCATED, length: 2 * GRAIN - 1 });
  t.like(map(100, 10), { kind: DATA, length: 10 });
  // The second table is missing.
  t.like(map(512 * GRAIN), { kind: UNALLOCATED, length: 512 * GRAIN });
});

test('without the flag an entry of 1 is a place', (t) => {
  const { map } = makeExtent([[1]], { zeroGrains: false });
  t.like(map(0), { kind: DATA, offset: 512 });
});

test('what leads past the end of the file, and a broken table, are broken', (t) => {
  const made = makeExtent([[HOST_SIZE / 512 - 1, HOST_SIZE / 512, 0xffffffff], []]);
  t.like(made.map(0), { kind: DATA, length: GRAIN });
  t.like(made.map(GRAIN), { kind: BROKEN });
  made.tables[1] = BROKEN_TABLE;
  t.like(made.map(600 * GRAIN), { kind: BROKEN, length: 424 * GRAIN });
});

test('a table that is not loaded is named', (t) => {
  const { map } = makeExtent([[0], [0]], {}, false);
  t.like(map(600 * GRAIN), { kind: METADATA, file: FILE, offset: 512 + 2048, slice: 11 });
});

test('a compressed grain begins behind its marker, and is one by one', (t) => {
  const { map } = makeExtent([[128, 256]], { compressedAt: 12 });
  t.like(map(100), { kind: COMPRESSED, offset: 65536 + 12, skip: 100, length: GRAIN - 100 });
  t.true(map(0).bytes > GRAIN + 500);
});

test('large tables are loaded slice by slice', (t) => {
  const words = Array.from({ length: 4096 }, (_, index) => (index === 4095 ? 77 : 0));
  const made = makeExtent([words, words], {
    ...{ type: 'vmfs', grainBytes: 512, entriesPerTable: 4096, capacity: 8192 * 512 },
  });
  t.is(made.extent.slices, 16);
  t.like(made.map(0), { kind: UNALLOCATED, length: 512 * 512 });
  t.like(made.map(4095 * 512), { kind: DATA, offset: 77 * 512, length: 512 });
  t.like(made.map(4096 * 512), { kind: UNALLOCATED });
  t.like(made.map(8191 * 512), { kind: DATA, offset: 77 * 512 });
});

test('entries of seSparse: none, unmapped, zeros, a grain, and what is none of these', (t) => {
  const words = [
    ...[0, 0],
    ...[0, 0x10000000],
    ...[5, 0x20000000],
    // Grain 0x1002: the low 12 bits first, the others at the end.
    ...[1, 0x30020000],
    ...[1, 0],
    ...[0, 0x40000000],
    ...[0xffffffff, 0x3fffffff],
  ];
  const { map } = makeExtent([words], {
    ...{ type: 'seSparse', grainBytes: 4096, entriesPerTable: 4096, entryBytes: 8 },
    ...{ capacity: 4096 * 4096, grains: 100 },
  });
  t.like(map(0), { kind: UNALLOCATED, length: 4096 });
  t.like(map(4096), { kind: ZERO, length: 8192 });
  t.like(map(3 * 4096), { kind: DATA, offset: 100 * 512 + 0x1002 * 4096, length: 4096 });
  for (const index of [4, 5, 6]) t.like(map(index * 4096), { kind: BROKEN });
});

test('the capacity may end within a grain and within a table', (t) => {
  const { map } = makeExtent([[128, 256, 384]], { capacity: 2 * GRAIN + 512 });
  t.like(map(0), { kind: DATA, length: 2 * GRAIN + 512 });
});

for (const [type, entriesPerTable] of [
  ['hosted', 512],
  ['vmfs', 4096],
] as const) {
  test(`${type}: tables without a grain are loaded once, and then are one extent`, (t) => {
    // 1 TiB of holes: tables of zeros, every third one missing, and a grain at the end.
    const count = 2 ** 40 / GRAIN / entriesPerTable;
    const words = Array.from({ length: count }, (_, index) => (index % 3 === 0 ? null : []));
    const last = new Array(entriesPerTable).fill(0);
    last[entriesPerTable - 1] = 128;
    const made = makeExtent([...words.slice(0, -1), last], {
      ...{ type, entriesPerTable, capacity: 2 ** 40 },
    });
    const hole = 2 ** 40 - GRAIN;
    const seek = (): number => {
      let steps = 0;
      for (let at = 0; at < hole; steps++) {
        const { kind, length } = made.map(at, 2 ** 40 - at);
        if (kind !== UNALLOCATED) t.is(kind, UNALLOCATED);
        at += length;
      }
      return steps;
    };
    t.true(seek() > 1000);
    const loads = made.loads();
    // The slice with the grain is not empty, and its hole ends there.
    t.true(seek() <= 2);
    t.true(made.loads() <= loads + 1);
    t.like(made.map(100, hole), { kind: UNALLOCATED });
    t.like(made.map(hole), { kind: DATA, offset: 65536 });
  });
}
