import test from 'ava';
import { Backlog } from '../../src/throttle/backlog.js';
import { DeviceIdling } from '../../src/throttle/device-idling.js';
import { leafRow, NONE, NodeTable, ROOT } from '../../src/throttle/node-table.js';
import { PressureTable } from '../../src/throttle/pressure.js';
import { Windows } from '../../src/throttle/windows.js';

/** Members 0 and 1 are in groups 1 and 2 below the root. */
function setUp(devices = 1) {
  const nodes = new NodeTable(devices);
  nodes.grow(4);
  const idling = new DeviceIdling(nodes);
  const pressures = new PressureTable();
  pressures.grow(4);
  for (let device = 0; device < devices; device++) {
    const root = nodes.nodeOf(ROOT, device);
    nodes.add(root, NONE);
    idling.addGroup(root);
    for (const group of [1, 2]) {
      const leaf = nodes.nodeOf(leafRow(group), device);
      nodes.add(leaf, root);
      idling.addGroup(leaf);
      nodes.add(nodes.memberNode(group - 1, device), leaf);
    }
  }
  const windows = new Windows(nodes, 64);
  const backlog = new Backlog(nodes, idling, pressures, windows);
  const [a, b] = [0, 1].map((member) => nodes.memberNode(member, 0)) as [number, number];
  const countsOf = (row: number, device = 0) => {
    const node = nodes.nodeOf(row, device);
    return [nodes.queued[node], nodes.inflight[node]];
  };
  return { backlog, nodes, pressures, windows, a, b, countsOf };
}

test('requests count at their group and at all above', (t) => {
  const { backlog, a, b, countsOf } = setUp();
  for (let i = 0; i < 3; i++) backlog.add(a, 0, 1, 0);
  backlog.add(a, 1, -1, 0);
  backlog.add(b, 1, 0, 0);
  t.deepEqual(
    [ROOT, leafRow(1), leafRow(2)].map((row) => countsOf(row)),
    [
      [2, 2],
      [2, 1],
      [0, 1],
    ],
  );
  backlog.add(b, -1, 0, 0);
  t.deepEqual(
    [ROOT, leafRow(1), leafRow(2)].map((row) => countsOf(row)),
    [
      [2, 1],
      [2, 1],
      [0, 0],
    ],
  );
});

test('a device is shared once two groups have requests for it', (t) => {
  const { backlog, nodes, windows, a, b } = setUp(2);
  backlog.add(a, 0, 1, 0);
  backlog.add(a, 1, 0, 0);
  t.false(windows.isShared(0));
  backlog.add(b, 1, 0, 0);
  t.true(windows.isShared(0));
  backlog.add(nodes.memberNode(0, 1), 1, 0, 0);
  t.false(windows.isShared(1));
  backlog.add(b, -1, 0, 0);
  t.false(windows.isShared(0));
});

test('a group stalls in part while a request waits, and in full while none is in flight', (t) => {
  const { backlog, nodes, pressures, a } = setUp(2);
  backlog.add(a, 0, 1, 0);
  // In flight on the other device.
  backlog.add(nodes.memberNode(0, 1), 1, 0, 4000);
  backlog.add(a, 0, -1, 9000);
  const { some, full } = pressures.of(leafRow(1), 10_000);
  t.deepEqual([some.totalUs, full.totalUs], [9, 4]);
  t.is(pressures.of(ROOT, 10_000).some.totalUs, 9);
});
