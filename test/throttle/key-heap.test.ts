import test from 'ava';
import fc from 'fast-check';
import { KeyHeap } from '../../src/throttle/key-heap.js';

test('the least key is first; an item moves when its key changes', (t) => {
  const heap = new KeyHeap(4);
  t.is(heap.top(), -1);
  for (const [item, key] of [
    [0, 5],
    [1, 3],
    [3, 4],
  ] as const) {
    heap.set(item, key);
  }
  t.is(heap.top(), 1);
  heap.set(1, 9);
  t.is(heap.top(), 3);
  heap.remove(3);
  heap.remove(2);
  t.deepEqual([heap.top(), heap.has(3), heap.has(1), heap.size], [0, false, true, 2]);
});

test('room for more items keeps those that are there', (t) => {
  const heap = new KeyHeap(1);
  heap.set(0, 7);
  heap.grow(3);
  heap.set(2, 1);
  heap.set(2, 8);
  t.deepEqual([heap.top(), heap.key[2]], [0, 8]);
});

test('the first item is that of a sorted list', (t) => {
  const stepOf = fc.record({ item: fc.nat(15), key: fc.nat(99), removes: fc.boolean() });
  const property = fc.property(fc.array(stepOf, { maxLength: 80 }), (steps) => {
    const heap = new KeyHeap(16);
    const keys = new Map<number, number>();
    for (const { item, key, removes } of steps) {
      if (removes) {
        heap.remove(item);
        keys.delete(item);
      } else {
        heap.set(item, key);
        keys.set(item, key);
      }
      const least = Math.min(...keys.values());
      const top = heap.top();
      if (heap.size !== keys.size) throw new Error(`${heap.size} of ${keys.size}`);
      if (keys.size === 0 ? top !== -1 : keys.get(top) !== least) throw new Error(`${top}`);
    }
  });
  t.notThrows(() => fc.assert(property, { numRuns: 300 }));
});
