import test from 'ava';
import { Heap } from '../../src/throttle/heap.js';
import fc from '../helpers/random-sequences.js';

function heapOf(items: number, tickets?: readonly number[]): Heap {
  const places = { place: new Int32Array(items).fill(-1) };
  return new Heap(places, tickets && { ticket: Float64Array.from(tickets) });
}

test('the least key is first; an item moves when its key changes', (t) => {
  const heap = heapOf(4);
  t.deepEqual([heap.top(), heap.isEmpty], [-1, true]);
  for (const [item, key] of [
    [0, 5],
    [1, 3],
    [3, 4],
  ] as const) {
    heap.set(item, key);
  }
  t.deepEqual([heap.top(), heap.topKey], [1, 3]);
  heap.set(1, 9);
  t.is(heap.top(), 3);
  heap.remove(3);
  heap.remove(2);
  t.deepEqual([heap.top(), heap.has(3), heap.has(1), heap.isEmpty], [0, false, true, false]);
  heap.clear();
  t.deepEqual([heap.isEmpty, heap.has(0), heap.has(1)], [true, false, false]);
});

test('among entries of equal keys the node with the least ticket is first', (t) => {
  const heap = heapOf(8, [0, 1, 3, 2]);
  heap.set(2, 7);
  heap.set(4, 3);
  heap.set(6, 3);
  t.is(heap.top(), 6);
  heap.remove(6);
  t.is(heap.top(), 4);
  heap.set(4, 8);
  t.is(heap.top(), 2);
});

test('the first item is that of a sorted list, however many there are', (t) => {
  const stepOf = fc.record({ item: fc.nat(40), key: fc.nat(99), removes: fc.boolean() });
  const property = fc.property(fc.array(stepOf, { maxLength: 160 }), (steps) => {
    const heap = heapOf(41);
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
      if (heap.isEmpty !== (keys.size === 0)) throw new Error(`${keys.size}`);
      if (keys.size === 0 ? top !== -1 : keys.get(top) !== least) throw new Error(`${top}`);
    }
  });
  t.notThrows(() => fc.assert(property, { numRuns: 300 }));
});
