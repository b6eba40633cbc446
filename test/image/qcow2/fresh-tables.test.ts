import test from 'ava';
import type { Task } from '../../../src/host/engine.js';
import { FreshTables } from '../../../src/image/qcow2/fresh-tables.js';

const EIO = 5;

function setUp(): { fresh: FreshTables; calls: string[]; l1: Float64Array; fails: { at: number } } {
  const calls: string[] = [];
  const fails = { at: Infinity };
  // biome-ignore lint/correctness/useYield: nothing waits here.
  function* call(text: string): Task {
    calls.push(text);
    return calls.length === fails.at ? -EIO : 0;
  }
  const clusters = {
    clear: (_request: number, host: number) => call(`clear ${host}`),
    copy: (_request: number, from: number, to: number) => call(`copy ${from} to ${to}`),
  };
  const l1 = new Float64Array([1000, 2000, 3000]);
  return { fresh: new FreshTables(clusters, { l1 }), calls, l1, fails };
}

function again(fresh: FreshTables): number {
  return fresh.again(0).next().value as number;
}

test('tables that a failed fsync may have lost are put there again, until an fsync covers them', (t) => {
  const { fresh, calls } = setUp();
  fresh.add(0, 1000, 0);
  fresh.add(1, 2000, 500);
  t.is(again(fresh), 0);
  t.deepEqual(calls, []);
  fresh.lost();
  t.is(again(fresh), 0);
  t.deepEqual(calls, ['clear 1000', 'copy 500 to 2000']);
  // They are covered by nothing yet.
  fresh.lost();
  t.is(again(fresh), 0);
  t.is(calls.length, 4);
  fresh.synced(fresh.count);
  fresh.lost();
  t.is(again(fresh), 0);
  t.is(calls.length, 4);
});

test('an fsync covers what was there when it began, and none covers what is lost', (t) => {
  const { fresh, calls } = setUp();
  fresh.add(0, 1000, 0);
  const covered = fresh.count;
  fresh.add(2, 3000, 0);
  fresh.synced(covered);
  fresh.lost();
  fresh.synced(fresh.count);
  t.is(again(fresh), 0);
  t.deepEqual(calls, ['clear 3000']);
});

test('where the host fails all are put there again; a table that has another place is none', (t) => {
  const { fresh, calls, l1, fails } = setUp();
  for (const [index, host] of l1.entries()) fresh.add(index, host, 0);
  fresh.lost();
  fails.at = 2;
  t.is(again(fresh), -EIO);
  l1[1] = 9000;
  t.is(again(fresh), 0);
  t.deepEqual(calls, ['clear 1000', 'clear 2000', 'clear 1000', 'clear 3000']);
});
