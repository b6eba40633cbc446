import test from 'ava';
import { type Engine, PENDING } from '../../src/host/engine.js';
import { METADATA, newExtent } from '../../src/image/extent.js';
import type { LayerIo } from '../../src/image/format.js';
import { Mappings } from '../../src/image/mappings.js';
import { type ByteOrder, MISSING, makeSliceCache } from '../../src/image/slice-cache.js';
import { bytesAt } from '../../src/sys/memory.js';

const SLICE_BYTES = 64;
const FILE_BYTES = 1024 * SLICE_BYTES;

/** A host file whose byte at each offset is the low byte of `offset + offset / 64`, and which counts reads. */
function makeCache(order: ByteOrder, count: number, cacheBytes: number) {
  const resumed: number[] = [];
  const reads: number[] = [];
  const engine: Pick<Engine, 'read'> = {
    read: (_request, _file, address, length, offset) => {
      reads.push(offset);
      const got = Math.max(0, Math.min(length, FILE_BYTES - offset));
      bytesAt(address, got).forEach((_, i, bytes) => {
        bytes[i] = offset + i + Math.floor((offset + i) / 64);
      });
      return got;
    },
  };
  const io: LayerIo = {
    engine: engine as Engine,
    resume: (request) => resumed.push(request),
    cacheBytes,
    growable: false,
    mappings: new Mappings(),
  };
  return { cache: makeSliceCache(count, SLICE_BYTES, order, io), reads, resumed };
}

type Made = ReturnType<typeof makeCache>;

function begin({ cache }: Made, slice: number, request = 0) {
  const extent = { ...newExtent(), kind: METADATA, slice, offset: slice * SLICE_BYTES };
  return cache.load(request, extent);
}

/** Loads a slice with results that come at once. */
function load(made: Made, slice: number): void {
  const task = begin(made, slice);
  for (let step = task.next(); !step.done; ) step = task.next(step.value);
}

test('the numbers of a slice are those of its table, in either order of bytes', (t) => {
  for (const [order, first] of [
    ['big-endian', 0x40414243 + 0x01010101],
    ['little-endian', 0x43424140 + 0x01010101],
  ] as const) {
    const made = makeCache(order, 100, 0);
    load(made, 1);
    const at = (made.cache.find(1) * SLICE_BYTES) / 4;
    t.is(made.cache.words[at], first);
    const bytes = made.cache.encode(made.cache.find(1));
    t.deepEqual([...bytes.subarray(0, 4)], [0x41, 0x42, 0x43, 0x44]);
  }
});

test('a slice past the end of the file is zeros', (t) => {
  const made = makeCache('little-endian', 2000, 0);
  load(made, 1024);
  const place = made.cache.find(1024);
  t.true(made.cache.encode(place).every((byte) => byte === 0));
});

test('it has room for all slices of a small image, and is bounded for a large one', (t) => {
  // Three when it was opened: a resize may make more.
  t.is(makeCache('big-endian', 3, 1 << 20).cache.places, 64);
  t.is(makeCache('big-endian', 80, 1 << 20).cache.places, 80);
  t.is(makeCache('big-endian', 1e6, 100 * SLICE_BYTES).cache.places, 100);
  // Less would make requests take places from each other.
  t.is(makeCache('big-endian', 1e6, 0).cache.places, 64);
});

test('a slice that was used stays when another has to go, and a pinned one always', (t) => {
  const made = makeCache('big-endian', 1e6, 0);
  for (let slice = 0; slice < 64; slice++) load(made, slice);
  made.cache.pin(made.cache.find(5));
  // All are marked as used: the first round clears the marks, the second drops the first one.
  load(made, 64);
  t.is(made.cache.find(0), MISSING);
  t.not(made.cache.find(2), MISSING);
  load(made, 65);
  t.is(made.cache.find(1), MISSING);
  for (let slice = 100; slice < 300; slice++) load(made, slice);
  t.not(made.cache.find(5), MISSING);
  made.cache.unpin(made.cache.find(5));
  t.is(made.reads.length, 66 + 200);
});

test('requests that want one slice share its load', (t) => {
  const made = makeCache('big-endian', 100, 0);
  const first = begin(made, 7, 1);
  first.next();
  const second = begin(made, 7, 2);
  t.is(second.next().value, PENDING);
  t.is(made.cache.find(7), MISSING);
  t.deepEqual(first.next(SLICE_BYTES), { value: 0, done: true });
  t.deepEqual(made.resumed, [2]);
  t.deepEqual(second.next(0), { value: 0, done: true });
  t.not(made.cache.find(7), MISSING);
  t.is(made.reads.length, 1);
});
