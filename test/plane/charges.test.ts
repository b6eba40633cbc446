import test from 'ava';
import { callersOf, WRITE_BACK } from '../../src/throttle/callers.js';
import { pattern } from '../helpers/temp.js';
import { Bench } from './bench.js';

const HOST = new Uint8Array(pattern(1 << 20, 7));
const PAYLOAD = new Uint8Array(pattern(4096, 9));
/** The one of fake-host.ts. */
const THREAD = 4242;

test('a request is counted for its caller, with the times of the throttle', (t) => {
  const bench = new Bench({ contents: [HOST] });
  bench.readNow(0, 4096);
  const slow = bench.throttle.createGroup('slow');
  bench.throttle.setLimits(slow, { iops: 10 }, bench.nowNs);
  bench.throttle.moveMember(bench.disks[0]!.member, slow, bench.nowNs);
  bench.write(0, PAYLOAD);
  t.is(callersOf(bench.callers.rows, bench.nowNs)[0]!.wios, 0, 'it waits');
  // 10 ms early is allowed.
  bench.turn(1.09e9);
  bench.nowNs = 1.095e9;
  bench.run();
  const [caller] = callersOf(bench.callers.rows, 2e9);
  t.like(caller, { thread: THREAD, rios: 1, rbytes: 4096, wios: 1, wbytes: 4096 });
  t.like(caller, { waitNs: 0.09e9, serviceNs: 0.005e9, longestNs: 0.095e9, followedNs: 1e9 });
  bench.assertIdle();
});

test('what the page cache writes back is nobody in particular', (t) => {
  const bench = new Bench({ contents: [HOST] });
  bench.writeNow(0, PAYLOAD, true);
  const [caller, ...others] = callersOf(bench.callers.rows, 0);
  t.like(caller, { thread: WRITE_BACK, wios: 1, wbytes: 4096 });
  t.deepEqual(others, []);
});
