import test from 'ava';
import { FifoLists } from '../../src/util/fifo-lists.js';
import fc from '../helpers/random-sequences.js';

/** Items of a list, from its head on. */
function itemsOf(lists: FifoLists, list: number): number[] {
  const items: number[] = [];
  for (let item = lists.head[list]; item !== -1; item = lists.next[item]) items.push(item);
  return items;
}

test('items leave in the order in which they came, or from the middle', (t) => {
  const lists = new FifoLists(5, 2);
  for (const item of [3, 0, 4]) lists.push(1, item);
  lists.push(0, 2);
  t.deepEqual([itemsOf(lists, 0), itemsOf(lists, 1)], [[2], [3, 0, 4]]);
  lists.remove(1, 0);
  lists.push(1, 1);
  lists.push(1, 0);
  t.deepEqual(itemsOf(lists, 1), [3, 4, 1, 0]);
});

test('room for more lists keeps those that are there', (t) => {
  const lists = new FifoLists(3, 1);
  lists.push(0, 2);
  lists.grow(0, 3);
  lists.push(2, 1);
  t.deepEqual(
    [0, 1, 2].map((list) => itemsOf(lists, list)),
    [[2], [], [1]],
  );
});

test('lists are what arrays are, forwards and backwards', (t) => {
  const stepOf = fc.record({ list: fc.nat(2), item: fc.nat(9) });
  const property = fc.property(fc.array(stepOf, { maxLength: 60 }), (steps) => {
    const lists = new FifoLists(10, 3);
    const arrays: number[][] = [[], [], []];
    for (const { list, item } of steps) {
      const from = arrays.findIndex((array) => array.includes(item));
      if (from !== -1) {
        lists.remove(from, item);
        arrays[from]!.splice(arrays[from]!.indexOf(item), 1);
      } else {
        lists.push(list, item);
        arrays[list]!.push(item);
      }
      for (const [one, array] of arrays.entries()) {
        if (itemsOf(lists, one).join() !== array.join()) throw new Error(`${array}`);
        if (lists.tail[one] !== (array.at(-1) ?? -1)) throw new Error(`tail of ${array}`);
      }
    }
  });
  t.notThrows(() => fc.assert(property, { numRuns: 300 }));
});
