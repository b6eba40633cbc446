import test from 'ava';
import { poolOffset } from '../../src/buffers/memory.js';
import { PayloadPool } from '../../src/buffers/payload-pool.js';
import fc from '../helpers/random-sequences.js';

const MIB = 1 << 20;
const POOL_MIB = 1024;

/** The number of payloads of this length that fit in an empty pool. */
function capacity(bytes: number): number {
  const pool = new PayloadPool();
  let taken = 0;
  while (pool.take(bytes) >= 0) taken++;
  return taken;
}

for (const [bytes, places] of [
  [1, 262144],
  [4096, 262144],
  [4097, 131072],
  [8192, 131072],
  [65536, 16384],
  [65537, 8192],
  [524288, 2048],
  [524289, 1024],
  [1048576, 1024],
] as const) {
  test(`a payload of ${bytes} bytes takes its size class: ${places} of them fill the pool`, (t) => {
    t.is(capacity(bytes), places);
  });
}

test('a full pool says -1, and has room again for what is given back', (t) => {
  const pool = new PayloadPool();
  const places = Array.from({ length: POOL_MIB }, () => pool.take(MIB));
  t.is(pool.take(1), -1);
  t.is(pool.take(MIB), -1);
  t.is(pool.inUse, POOL_MIB);
  pool.release(places[100]!);
  t.is(pool.take(MIB), places[100]);
  pool.release(places[7]!);
  // The chunk now has places of another size: 256 of 4 KiB.
  for (let i = 0; i < 256; i++) t.not(pool.take(4096), -1);
  t.is(pool.take(4096), -1);
});

test('all given back in any order, the pool is whole again for any class', (t) => {
  const pool = new PayloadPool();
  const small: number[] = [];
  for (let at = pool.take(1); at >= 0; at = pool.take(1)) small.push(at);
  for (let i = 0; i < small.length; i += 2) pool.release(small[i]!);
  t.is(pool.take(MIB), -1);
  for (let i = 1; i < small.length; i += 2) pool.release(small[i]!);
  t.is(pool.inUse, 0);
  for (let i = 0; i < POOL_MIB; i++) t.not(pool.take(MIB), -1);
});

test('one small payload in each chunk leaves no room for a large one', (t) => {
  const pool = new PayloadPool();
  const large = Array.from({ length: POOL_MIB }, () => pool.take(MIB));
  for (const at of large.slice(1)) pool.release(at);
  for (let i = 0; i < 257; i++) pool.take(4096);
  // 257 small payloads lie in two chunks, not in 257.
  for (let i = 0; i < POOL_MIB - 3; i++) t.not(pool.take(MIB), -1);
  t.is(pool.take(MIB), -1);
});

/** The room of a payload: a power of two from 4 KiB. */
function classBytes(bytes: number): number {
  let size = 4096;
  while (size < bytes) size *= 2;
  return size;
}

/** From 0 on: take that many bytes. Below 0: give a place back. */
const step = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(1, 512, 4096, 5000, 65536, 300_000, MIB) },
  { weight: 2, arbitrary: fc.integer({ min: -100_000, max: -1 }) },
);

test('places are page-aligned and never overlap, whatever is taken and given back', (t) => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 1500, size: 'max' }), (steps) => {
      const pool = new PayloadPool();
      const places: { at: number; size: number }[] = [];
      const owner = new Int8Array((POOL_MIB * MIB) / 4096);
      for (const one of steps) {
        if (one > 0) {
          const at = pool.take(one);
          if (at < 0) continue;
          const size = classBytes(one);
          const from = at - poolOffset();
          if (from % 4096 !== 0 || from < 0 || from + size > POOL_MIB * MIB)
            throw new Error(`${at}`);
          const pages = owner.subarray(from / 4096, (from + size) / 4096);
          if (pages.includes(1)) throw new Error(`two payloads at ${at}`);
          pages.fill(1);
          places.push({ at, size });
        } else if (places.length > 0) {
          const [place] = places.splice(-one % places.length, 1);
          pool.release(place!.at);
          const from = place!.at - poolOffset();
          owner.fill(0, from / 4096, (from + place!.size) / 4096);
        }
        if (pool.inUse !== places.length) throw new Error(`${pool.inUse} in use`);
      }
    }),
    { seed: 20251120, numRuns: 60 },
  );
  t.pass();
});
