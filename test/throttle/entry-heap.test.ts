import test from 'ava';
import fc from 'fast-check';
import { EntryHeap } from '../../src/throttle/entry-heap.js';
import { NodeTable } from '../../src/throttle/node-table.js';

function tableOf(nodes: number): NodeTable {
  const table = new NodeTable();
  table.grow(nodes);
  return table;
}

test('by start tag: the least tag is first, and among equals the one with the least ticket', (t) => {
  const nodes = tableOf(8);
  const heap = new EntryHeap(nodes, true);
  t.deepEqual([heap.top(), heap.isEmpty], [-1, true]);
  nodes.startTag.set([0, 7, 3, 3]);
  nodes.ticket.set([0, 1, 3, 2]);
  for (const entry of [2, 4, 6]) heap.push(entry);
  t.is(heap.top(), 6);
  heap.remove(6);
  t.is(heap.top(), 4);
  nodes.startTag[2] = 8;
  heap.update(4);
  t.is(heap.top(), 2);
  heap.clear();
  t.true(heap.isEmpty);
});

test('by time: entries come out in the order of a sorted list, however many there are', (t) => {
  const timesOf = fc.array(fc.nat(1000), { minLength: 1, maxLength: 64 });
  const property = fc.property(timesOf, fc.array(fc.nat(63), { maxLength: 20 }), (times, gone) => {
    const nodes = tableOf(32);
    const heap = new EntryHeap(nodes, false);
    const left = new Set<number>();
    for (const [entry, time] of times.entries()) {
      nodes.readyTime[entry] = time;
      nodes.ticket[entry >> 1] = entry >> 1;
      heap.push(entry);
      left.add(entry);
    }
    for (const entry of gone) if (left.delete(entry)) heap.remove(entry);
    const out: number[] = [];
    for (let entry = heap.top(); entry !== -1; entry = heap.top()) {
      out.push(times[entry]!);
      heap.remove(entry);
    }
    const expected = [...left].map((entry) => times[entry]!).sort((a, b) => a - b);
    if (out.join() !== expected.join()) throw new Error(`${out}`);
  });
  t.notThrows(() => fc.assert(property, { numRuns: 300 }));
});
