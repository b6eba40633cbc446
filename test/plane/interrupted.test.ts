import test from 'ava';
import { Interrupted } from '../../src/plane/interrupted.js';
import { FREE, Requests, WAITING } from '../../src/plane/requests.js';

const MS = 1e6;

/** Requests that wait, from threads 1 on, and a list of those threads that are looked at. */
function setUp(count: number, killed: ReadonlySet<number> = new Set()) {
  const requests = new Requests();
  const looked: number[] = [];
  const interrupted = new Interrupted(requests, (thread) => {
    looked.push(thread);
    return killed.has(thread);
  });
  for (let request = 0; request < count; request++) {
    requests.state[request] = WAITING;
    requests.thread[request] = request + 1;
    interrupted.add(request, 0);
  }
  looked.length = 0;
  return { requests, interrupted, looked };
}

test('a turn looks at 64 callers at most, and all get a look in time', (t) => {
  const { interrupted, looked } = setUp(1000, new Set());
  let turns = 0;
  for (let nowNs = interrupted.lookAtNs; looked.length < 1000; nowNs = interrupted.lookAtNs) {
    const before = looked.length;
    interrupted.look(nowNs, () => t.fail());
    t.true(looked.length - before <= 64);
    t.true(interrupted.lookAtNs > nowNs);
    turns++;
  }
  t.is(turns, 16);
  t.is(new Set(looked).size, 1000, 'none twice before each had its look');
  // A check costs 15 us, and all of them 1 % of a processor.
  t.true(interrupted.lookAtNs <= 1000 * 1.5 * MS + 200 * MS);
});

test('one caller is looked at every 100 ms', (t) => {
  const { interrupted } = setUp(1);
  t.is(interrupted.lookAtNs, 100 * MS);
  interrupted.look(99 * MS, () => t.fail());
  interrupted.look(100 * MS, () => t.fail());
  t.is(interrupted.lookAtNs, 200 * MS);
});

test('who is being killed is told once, and a request that has gone is forgotten', (t) => {
  const { requests, interrupted, looked } = setUp(3, new Set([2]));
  // Thread 2 was not being killed yet when its signal came; here `add` would have said so.
  requests.state[2] = FREE;
  const told: number[] = [];
  interrupted.add(0, 0);
  interrupted.look(100 * MS, (request) => told.push(request));
  t.deepEqual(told, []);
  t.deepEqual(looked.slice(-1), [1]);
  interrupted.look(200 * MS, () => t.fail());
  t.deepEqual(looked.slice(-1), [1], 'only the one that waits');
});
