import test from 'ava';
import { Group } from '../../src/throttle/group.js';
import * as table from '../../src/throttle/node-table.js';

test('numbers of rows, nodes, entries and queues', (t) => {
  const root = new Group(0, '', null);
  const a = new Group(1, 'a', root);
  t.deepEqual([table.groupRow(root), table.leafRow(0), table.groupRow(a)], [0, 1, 2]);
  const one = new table.NodeTable();
  t.deepEqual([one.nodeOf(2, 0), one.memberNode(5, 0)], [4, 11]);
  const two = new table.NodeTable(2);
  const nodes = [two.nodeOf(2, 0), two.nodeOf(2, 1), two.memberNode(5, 0), two.memberNode(5, 1)];
  t.deepEqual(nodes, [8, 10, 21, 23]);
  t.deepEqual(nodes.map(table.isMember), [false, false, true, true]);
  t.deepEqual(
    nodes.map((node) => two.deviceOf(node)),
    [0, 1, 0, 1],
  );
  t.deepEqual(
    [8, 10].map((node) => [two.rowOf(node), two.groupOf(node)]),
    [
      [2, 1],
      [2, 1],
    ],
  );
  t.deepEqual([two.groupOf(2), two.groupOf(4)], [0, table.NONE]);
  // Reads and writes of member 5 on device 1 are the queues 22 and 23, and the entries of node 23.
  t.deepEqual([table.entryOfQueue(22), table.entryOfQueue(23)], [46, 47]);
  t.deepEqual([table.queueOfEntry(46), table.queueOfEntry(47)], [22, 23]);
});

test('a number that is used again has nothing of the node before', (t) => {
  const nodes = new table.NodeTable();
  nodes.grow(4);
  nodes.add(0, table.NONE);
  nodes.virtualTime[0] = 7;
  for (const column of [nodes.inverseWeight, nodes.inflight, nodes.queued, nodes.least]) {
    column[2] = 9;
  }
  nodes.committed.fill(3, 4, 6);
  nodes.maxInflight[2] = 1;
  nodes.add(2, 0);
  t.deepEqual(
    [nodes.inverseWeight[2], nodes.inflight[2], nodes.queued[2], nodes.least[2]],
    [0.01, 0, 0, 0],
  );
  t.deepEqual([...nodes.committed.subarray(4, 6)], [table.NONE, table.NONE]);
  t.deepEqual([nodes.maxInflight[2], nodes.startTag[2]], [Infinity, 7]);
});

test('room for more nodes keeps those that are there', (t) => {
  const nodes = new table.NodeTable();
  nodes.grow(2);
  nodes.startTag[1] = 5;
  nodes.grow(64);
  nodes.grow(8);
  t.is(nodes.startTag.length, 128);
  t.deepEqual(
    [nodes.startTag[1], nodes.inverseWeight[63], nodes.readyTime[127]],
    [5, 0.01, Infinity],
  );
});

test('siblings by start tag, at least virtual time, and then by ticket', (t) => {
  const nodes = new table.NodeTable();
  nodes.grow(8);
  nodes.add(0, table.NONE);
  for (const node of [2, 4]) nodes.add(node, 0);
  nodes.startTag[2] = 3;
  nodes.startTag[4] = 5;
  t.true(nodes.precedes(2, 4));
  // Both are behind virtual time: the one that was served longest ago is first.
  nodes.virtualTime[0] = 6;
  nodes.takeTicket(4);
  nodes.takeTicket(2);
  t.false(nodes.precedes(2, 4));
  t.true(nodes.precedes(4, 2));
});

test('of the reads and the writes of a member the class with the least tag is first', (t) => {
  const nodes = new table.NodeTable();
  nodes.grow(4);
  t.is(nodes.firstClass(1), 0);
  nodes.classTag[2] = 1;
  t.is(nodes.firstClass(1), 1);
});
