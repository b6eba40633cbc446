import test from 'ava';
import { checkPlaces, isShown, type Partition, Problems } from '../../src/partitions/table.js';

const SIZE = 1000;

function partition(number: number, start: number, size: number, isExtended = false): Partition {
  const rest = { type: '83', name: '', uuid: '', bootable: false };
  return { number, start, size, isExtended, ...rest };
}

function problems(...partitions: Partition[]): string[] {
  const found = new Problems();
  checkPlaces(partitions, SIZE, found);
  return found.all;
}

test('each overlap is told once', (t) => {
  t.deepEqual(problems(partition(1, 0, 10), partition(2, 10, 10), partition(3, 20, 980)), []);
  t.deepEqual(problems(partition(1, 0, 10), partition(2, 9, 10)), ['p2 overlaps p1']);
  t.deepEqual(problems(partition(1, 5, 10), partition(2, 0, 100)), ['p1 overlaps p2']);
  const inner = [partition(2, 10, 5), partition(3, 20, 5)];
  t.deepEqual(problems(partition(1, 0, 100), ...inner), ['p2 overlaps p1', 'p3 overlaps p1']);
});

test('logical partitions lie in an extended one, and primary ones do not', (t) => {
  const extended = partition(2, 100, 500, true);
  t.deepEqual(problems(partition(1, 0, 100), extended, partition(5, 101, 50)), []);
  t.deepEqual(problems(partition(1, 0, 101), extended), ['p2 overlaps p1']);
  t.deepEqual(problems(extended, partition(3, 300, 10)), ['p3 overlaps p2']);
});

test('what is shown has bytes of the image', (t) => {
  t.true(isShown(partition(256, 999, 1), SIZE));
  t.true(isShown(partition(1, 0, 2 ** 70), SIZE));
  t.false(isShown(partition(257, 0, 10), SIZE));
  t.false(isShown(partition(1, 1000, 10), SIZE));
  t.false(isShown(partition(1, 0, 0), SIZE));
  t.false(isShown(partition(1, 0, 10, true), SIZE));
});
