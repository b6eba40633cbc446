import test from 'ava';
import { ClosedLoop } from './closed-loop.js';

/** A device of a million requests a second, whatever their size: one completes each microsecond. */
function loopOf(): ClosedLoop {
  return new ClosedLoop(
    [
      { group: 'a', weight: 1 },
      { group: 'b', weight: 99 },
      { group: 'c', weight: 100 },
    ],
    4,
  );
}

function setMinimum(loop: ClosedLoop, path: string, iops: number): void {
  loop.throttle.setMinimum(loop.throttle.findGroup(path)!, { iops }, loop.now);
}

test('a minimum is served first, and what is left is shared by weights', (t) => {
  const loop = loopOf().beginAll();
  setMinimum(loop, 'a', 400_000);
  loop.run(10_000);
  const [a, b, c] = loop.run(10_000);
  t.true(Math.abs(a - 4000) <= 5, `${a}`);
  t.true(Math.abs(b - 2985) <= 15, `${b}`);
  t.true(Math.abs(c - 3015) <= 15, `${c}`);
});

test('a minimum below what the weight gives changes nothing', (t) => {
  const loop = loopOf().beginAll();
  setMinimum(loop, 'c', 100_000);
  loop.run(1000);
  const [, , c] = loop.run(10_000);
  t.true(Math.abs(c - 5000) <= 2, `${c}`);
});

test('minimums in bytes count bytes', (t) => {
  const loop = loopOf().beginAll();
  const group = loop.throttle.findGroup('a')!;
  loop.throttle.setMinimum(group, { bps: 4096 * 250_000 }, loop.now);
  loop.run(10_000);
  const [a] = loop.run(10_000);
  t.true(Math.abs(a - 2500) <= 5, `${a}`);
});

test('minimums beyond what the device gives are scaled alike, with a warning', (t) => {
  const loop = loopOf().beginAll();
  setMinimum(loop, 'a', 3e6);
  setMinimum(loop, 'b', 1e6);
  loop.run(2_000_000);
  const [a, b, c] = loop.run(100_000);
  t.true(Math.abs(a - 75_000) <= 20, `${a}`);
  t.true(Math.abs(b - 25_000) <= 20, `${b}`);
  t.is(c, 0);
  t.deepEqual(loop.throttle.warnings, [
    'io.min: the minimums are more than the device gives; groups get 25 % of them',
  ]);
});
