import test from 'ava';
import { TableWatch } from '../../src/plane/table-watch.js';

test('writes to the ranges of a table are noticed, and no others', (t) => {
  const watch = new TableWatch();
  const notices = (start: number, end: number): boolean => {
    watch.isStale = false;
    watch.wrote(start, end);
    return watch.isStale;
  };
  t.false(notices(0, 1000));
  watch.set([
    { offset: 512, length: 512 },
    { offset: 4096, length: 512 },
    { offset: 0, length: 512 },
    { offset: 100, length: 10 },
  ]);
  for (let start = 0; start < 6000; start += 128) {
    for (const length of [1, 128, 512, 5000]) {
      const hits = (from: number, to: number): boolean => start < to && start + length > from;
      t.is(notices(start, start + length), hits(0, 1024) || hits(4096, 4608), `${start} ${length}`);
    }
  }
  watch.set([]);
  t.false(notices(0, 6000));
});
