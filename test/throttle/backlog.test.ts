import test from 'ava';
import { Backlog } from '../../src/throttle/backlog.js';
import { Contenders } from '../../src/throttle/contenders.js';
import { DeviceIdling } from '../../src/throttle/device-idling.js';
import { leafNode, NONE, NodeTable, ROOT, ROOT_MEMBERS } from '../../src/throttle/node-table.js';
import { PressureTable } from '../../src/throttle/pressure.js';

/** Groups 1 and 2 are below the root. */
function setUp() {
  const nodes = new NodeTable();
  nodes.grow(8);
  const idling = new DeviceIdling(nodes);
  const pressures = new PressureTable();
  pressures.grow(4);
  nodes.add(ROOT, NONE);
  for (const node of [ROOT_MEMBERS, leafNode(1), leafNode(2)]) nodes.add(node, ROOT);
  for (const node of [ROOT, ROOT_MEMBERS, leafNode(1), leafNode(2)]) idling.addGroup(node);
  const backlog = new Backlog(nodes, idling, pressures, new Contenders(nodes));
  return { backlog, nodes, pressures };
}

test('requests count at their group and at all above', (t) => {
  const { backlog, nodes } = setUp();
  for (let i = 0; i < 3; i++) backlog.add(leafNode(1), 0, 1, 0);
  backlog.add(leafNode(1), 0, -1, 0);
  backlog.add(leafNode(1), 1, 0, 0);
  backlog.add(leafNode(2), 1, 0, 0);
  const counts = (node: number) => [nodes.queued[node], nodes.inflight[node]];
  t.deepEqual([ROOT, leafNode(1), leafNode(2)].map(counts), [
    [2, 2],
    [2, 1],
    [0, 1],
  ]);
  backlog.add(leafNode(2), -1, 0, 0);
  t.deepEqual([ROOT, leafNode(1), leafNode(2)].map(counts), [
    [2, 1],
    [2, 1],
    [0, 0],
  ]);
});

test('the device is shared once two groups have requests', (t) => {
  const { backlog } = setUp();
  backlog.add(leafNode(1), 0, 1, 0);
  backlog.add(leafNode(1), 1, 0, 0);
  t.false(backlog.isShared);
  backlog.add(leafNode(2), 1, 0, 0);
  t.true(backlog.isShared);
  backlog.add(leafNode(2), -1, 0, 0);
  t.false(backlog.isShared);
});

test('a member that moves takes its requests along', (t) => {
  const { backlog, nodes } = setUp();
  backlog.add(leafNode(1), 0, 1, 0);
  backlog.add(leafNode(1), 1, 0, 0);
  backlog.add(leafNode(2), 1, 0, 0);
  backlog.add(leafNode(1), -1, -1, 5);
  backlog.add(leafNode(2), 1, 1, 5);
  t.deepEqual([nodes.queued[leafNode(1)], nodes.inflight[leafNode(1)]], [0, 0]);
  t.deepEqual([nodes.queued[leafNode(2)], nodes.inflight[leafNode(2)]], [1, 2]);
  t.deepEqual([nodes.queued[ROOT], nodes.inflight[ROOT]], [1, 2]);
  t.false(backlog.isShared);
});

test('a group stalls in part while a request waits, and in full while none is in flight', (t) => {
  const { backlog, pressures } = setUp();
  backlog.add(leafNode(1), 0, 1, 0);
  backlog.add(leafNode(1), 1, 0, 4000);
  backlog.add(leafNode(1), 0, -1, 9000);
  const { some, full } = pressures.of(leafNode(1) >> 1, 10_000);
  t.deepEqual([some.totalUs, full.totalUs], [9, 4]);
  t.is(pressures.of(ROOT, 10_000).some.totalUs, 9);
});
