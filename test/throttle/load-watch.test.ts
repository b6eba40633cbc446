import test from 'ava';
import { LoadWatch } from '../../src/throttle/load-watch.js';
import { SECOND } from './drive.js';

test('eight throughputs in a row that differ by more than a quarter are another load', (t) => {
  const watch = new LoadWatch();
  watch.begin();
  t.false(watch.isOther(100));
  for (let i = 0; i < 7; i++) t.false(watch.isOther(130));
  t.true(watch.isOther(130));
  watch.begin();
  t.false(watch.isOther(130), 'the usual one now');
});

test('one that is as usual ends the row, and the usual one follows it by an eighth', (t) => {
  const watch = new LoadWatch();
  watch.begin();
  watch.isOther(100);
  for (let i = 0; i < 7; i++) watch.isOther(70);
  t.false(watch.isOther(124));
  // 103 is usual now: 77.2 is a quarter less.
  for (let i = 0; i < 20; i++) t.false(watch.isOther(i % 2 === 0 ? 77 : 103), `${i}`);
  for (let i = 0; i < 7; i++) t.false(watch.isOther(77));
  t.true(watch.isOther(77));
});

test('a window that does not bind eight times in a row is unbound', (t) => {
  const watch = new LoadWatch();
  watch.begin();
  for (let i = 0; i < 7; i++) t.false(watch.isUnbound(false));
  t.false(watch.isUnbound(true));
  for (let i = 0; i < 7; i++) t.false(watch.isUnbound(false));
  t.true(watch.isUnbound(false));
});

test('searches that find the same follow each other after 3, 6 and at last 12 s', (t) => {
  const watch = new LoadWatch();
  t.true(watch.maySearch(0));
  let now = 100 * SECOND;
  for (const [level, seconds] of [
    [20, 1.5],
    [21, 3],
    [20, 6],
    [22, 12],
    [20, 12],
    [30, 1.5],
  ] as const) {
    watch.searched(level, now);
    t.is(watch.found, level);
    now += seconds * SECOND;
    t.false(watch.maySearch(now - 1), `${level}`);
    t.true(watch.maySearch(now), `${level}`);
  }
  watch.searched(30, now);
  watch.reset();
  t.true(watch.maySearch(now));
});
