import test from 'ava';
import { DepthMeter } from '../../src/throttle/depth-meter.js';
import { MS, SECOND } from './drive.js';

/** Completions of two groups in turn, until a measurement is complete; returns their number. */
function measure(meter: DepthMeter, every: number, from = 0, more = {}): number {
  const {
    full = true,
    isPartial = false,
    leaves = 2,
    cost = 1,
    inflight = 8,
  } = more as {
    full?: boolean;
    isPartial?: boolean;
    leaves?: number;
    cost?: number;
    inflight?: number;
  };
  for (let i = 1; i < 1e5; i++) {
    meter.started(isPartial);
    const now = from + i * every;
    if (meter.completed(2 + 2 * (i % leaves), cost, full, isPartial, inflight, now)) return i;
  }
  throw new Error('no measurement');
}

test('a measurement takes 20 ms and 100 completions, or a second', (t) => {
  t.is(measure(new DepthMeter(), 0.1 * MS), 200);
  t.is(measure(new DepthMeter(), 5 * MS), 100);
  t.is(measure(new DepthMeter(), 100 * MS), 10);
});

test('throughput, requests in flight and partial backlog of a measurement', (t) => {
  const meter = new DepthMeter();
  measure(meter, 0.1 * MS, 0, { cost: 3 });
  t.deepEqual([meter.completions, meter.length, meter.meanInflight], [200, 20 * MS, 8]);
  t.true(Math.abs(meter.rate - 600 / (20 * MS)) < 1e-12);
  t.deepEqual(
    [meter.partialBacklog, meter.binds, meter.isLimited, meter.isAlone],
    [0, true, false, false],
  );
  meter.begin(20 * MS);
  measure(meter, 0.1 * MS, 20 * MS, { full: false, isPartial: true });
  t.deepEqual([meter.partialBacklog, meter.binds, meter.isLimited], [1, false, false]);
});

test('every group waits, and not for the window: for limits', (t) => {
  const meter = new DepthMeter();
  measure(meter, 0.1 * MS, 0, { full: false });
  t.true(meter.isLimited);
});

test('a single group is alone', (t) => {
  const meter = new DepthMeter();
  measure(meter, 0.1 * MS, 0, { leaves: 1 });
  t.true(meter.isAlone);
});

test('a pause of two seconds says nothing about the device', (t) => {
  const meter = new DepthMeter();
  t.false(meter.completed(2, 1, true, false, 1, 2 * SECOND));
  t.is(meter.completions, 0);
  t.is(measure(meter, 0.1 * MS, 2 * SECOND), 200);
});

test('after a change of the window what is in flight has to leave first, and 10 ms to pass', (t) => {
  const meter = new DepthMeter();
  meter.restart(4);
  // Nine completions at a window of 4, and 10 ms from the first one on: 101; then 200.
  t.is(measure(meter, 0.1 * MS, 0, { inflight: 4 }), 301);
  meter.restart(4);
  for (let i = 0; i < 1000; i++) {
    t.false(meter.completed(2, 1, true, false, 5, 40 * MS + i * MS));
  }
});
