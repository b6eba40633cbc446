import test from 'ava';
import { DeviceIdling } from '../../src/throttle/device-idling.js';
import { NONE, NodeTable, ROOT } from '../../src/throttle/node-table.js';
import { RequestTable } from '../../src/throttle/request-table.js';
import { Siblings } from '../../src/throttle/siblings.js';

const [A, B] = [2, 4];
/** Entries of the root, and of its children A and B: reads are even. */
const [READS, A_READS, B_READS] = [0, 4, 8];

function setUp() {
  const nodes = new NodeTable();
  nodes.grow(8);
  nodes.add(ROOT, NONE);
  nodes.add(A, ROOT);
  nodes.add(B, ROOT);
  const idling = new DeviceIdling(nodes);
  const siblings = new Siblings(nodes, new RequestTable(1), idling);
  for (const node of [ROOT, A, B]) {
    siblings.addGroup(node);
    idling.addGroup(node);
  }
  return { nodes, siblings };
}

test('the eligible child with the least start tag is next; service moves its tag by cost / weight', (t) => {
  const { nodes, siblings } = setUp();
  t.is(siblings.nextChild(READS), NONE);
  nodes.inverseWeight.set([1 / 4], A);
  nodes.inverseWeight.set([1], B);
  siblings.place(A_READS, -Infinity, 0);
  siblings.place(B_READS, -Infinity, 0);
  const served: number[] = [];
  for (let i = 0; i < 10; i++) {
    const child = siblings.chooseChild(READS, 0);
    served.push(child);
    siblings.advance(child, 1);
  }
  t.is(served.filter((child) => child === A).length, 8);
  t.deepEqual([nodes.startTag[A], nodes.startTag[B]], [2, 2]);
});

test('a pending entry that was alone when its time came is committed to', (t) => {
  const { nodes, siblings } = setUp();
  siblings.place(A_READS, 50, 0);
  siblings.place(B_READS, 40, 0);
  t.deepEqual([siblings.hasEligible(READS), siblings.firstPending(READS)], [false, B]);
  t.is(siblings.chooseChild(READS, 60), B);
  t.is(nodes.committed[READS], B);
  t.true(siblings.hasEligible(READS));
});

test('an entry that comes back starts at virtual time', (t) => {
  const { nodes, siblings } = setUp();
  siblings.place(A_READS, -Infinity, 0);
  for (let i = 0; i < 5; i++) siblings.advance(A, 100);
  siblings.place(B_READS, -Infinity, 0);
  t.is(nodes.startTag[B], nodes.virtualTime[ROOT]);
  t.is(nodes.virtualTime[ROOT], 4);
  siblings.place(B_READS, Infinity, 0);
  t.is(siblings.nextChild(READS), A);
});
