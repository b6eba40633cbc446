import test from 'ava';
import { SLOT_DATA, SLOT_REQUEST, slotOffset } from '../../src/buffers/memory.js';
import { Dispatcher } from '../../src/fuse/dispatch.js';
import { Tree } from '../../src/tree/tree.js';
import { FakeDisks, hex, memory } from './exchange.js';

const FORGET = 2;
const OPEN = 14;
const READ = 15;
const INIT = 26;
const EIO = 5;
const DISK = 2;

/** A message that was sent. */
interface Sent {
  request: number;
  offset: number;
  bytes: Uint8Array;
  linked: boolean;
}

function setUp() {
  const disks = new FakeDisks();
  const tree = new Tree();
  tree.addDisk(tree.root, 'web.raw', 7);
  const sent: Sent[] = [];
  const accepted: boolean[] = [];
  const lines: string[] = [];
  const dispatcher = new Dispatcher({
    memory,
    disks,
    tree,
    wire: {
      send: (request, offset, length, linked) => {
        sent.push({ request, offset, bytes: memory.bytes.slice(offset, offset + length), linked });
      },
    },
    owner: { uid: 0, gid: 0 },
    pageCache: false,
    initialised: (one) => accepted.push(one),
    trace: (line) => lines.push(line),
  });
  const receive = (
    opcode: number,
    node: number,
    body: Uint8Array,
    unique = 0x1122334455667788n,
  ): number => {
    const slot = memory.takeSlot();
    const at = slotOffset(slot) + SLOT_REQUEST;
    const length = 40 + body.length;
    const { view } = memory;
    memory.bytes.fill(0, at, at + length);
    view.setUint32(at, length, true);
    view.setUint32(at + 4, opcode, true);
    view.setBigUint64(at + 8, unique, true);
    view.setBigUint64(at + 16, BigInt(node), true);
    view.setUint32(at + 24, 1000, true);
    view.setUint32(at + 28, 100, true);
    view.setUint32(at + 32, 4711, true);
    memory.bytes.set(body, at + 40);
    dispatcher.received(slot, length);
    return slot;
  };
  return { disks, dispatcher, sent, accepted, lines, receive };
}

/** struct fuse_read_in of 512 bytes at 4096. */
const READ_IN = hex('fh 00*8', 'offset 0010000000000000', 'size 00020000', 'rest 00*20');

test('a request header fills the columns of its request', (t) => {
  const { disks, receive } = setUp();
  const slot = receive(READ, DISK, READ_IN);
  const request = disks.begun;
  const { requests } = disks;
  t.deepEqual(
    [requests.uid, requests.gid, requests.thread, requests.slot].map((column) => column[request]),
    [1000, 100, 4711, slot],
  );
  t.deepEqual(
    [requests.uniqueLow[request], requests.uniqueHigh[request]],
    [0x55667788, 0x11223344],
  );
});

test('data goes out from where it lies, with its header right before it, linked or not', (t) => {
  const { disks, dispatcher, sent, receive } = setUp();
  const slot = receive(READ, DISK, READ_IN);
  const at = slotOffset(slot) + SLOT_DATA;
  for (const linked of [false, true]) {
    memory.bytes.fill(0xab, at, at + 512);
    dispatcher.reply(disks.begun, 512, at, linked);
    const { bytes, ...message } = sent.pop()!;
    t.deepEqual(message, { request: disks.begun, offset: at - 16, linked });
    t.deepEqual(
      bytes,
      hex('length 10020000', 'error 00*4', 'unique 8877665544332211', 'data ab*512'),
    );
  }
});

/** struct fuse_open_in. */
const OPEN_IN = hex('flags 02000000', 'rest 00*4');

test('what must not be carried out twice is answered by the next process as it was by this one', (t) => {
  const before = setUp();
  before.disks.openAnswer = 1;
  before.receive(OPEN, DISK, OPEN_IN, 20n);
  before.receive(READ, DISK, READ_IN, 22n);
  before.dispatcher.reply(before.disks.begun, 0, 0, false);
  t.is(before.dispatcher.changes, 1, 'a READ may be repeated');
  const requests = Int32Array.from(before.sent, ({ request }) => request);
  const state = structuredClone(before.dispatcher.carryOut(requests, 2));
  t.deepEqual(
    state.replies.map(([unique]) => unique),
    [20],
  );

  const after = setUp();
  after.dispatcher.carryIn(state);
  const calls = after.disks.calls.length;
  const resent = 1n << 63n;
  after.receive(OPEN, DISK, OPEN_IN, resent + 20n);
  t.is(after.disks.calls.length, calls);
  const [first] = before.sent;
  const wanted = first!.bytes.slice();
  wanted[15] = 0x80;
  t.deepEqual(after.sent[0]!.bytes, wanted);
  t.deepEqual(after.dispatcher.carryOut().replies, []);
});

test('a request that is sent again and was not answered, and a new one, are carried out', (t) => {
  const { disks, dispatcher, sent, receive } = setUp();
  const replies: [number, Uint8Array][] = [[20, new Uint8Array(32)]];
  dispatcher.carryIn({ ...dispatcher.carryOut(), replies });
  for (const unique of [(1n << 63n) + 22n, 20n]) {
    receive(READ, DISK, READ_IN, unique);
    dispatcher.reply(disks.begun, -EIO, 0, false);
  }
  t.deepEqual(
    sent.map(({ bytes }) => bytes.length),
    [16, 16],
  );
  // Until somebody asks for it: this process may die, too.
  t.deepEqual(dispatcher.carryOut().replies, replies);
});

test('an error goes out without payload', (t) => {
  const { disks, dispatcher, sent, receive } = setUp();
  receive(READ, DISK, READ_IN);
  dispatcher.reply(disks.begun, -EIO, 0, false);
  t.deepEqual(sent[0]!.bytes, hex('length 10000000', 'error fbffffff', 'unique 8877665544332211'));
});

test('a request without a reply gives its number and its slot back', (t) => {
  const { disks, sent, receive } = setUp();
  const free = memory.freeSlots;
  receive(FORGET, DISK, new Uint8Array(8));
  t.deepEqual([sent.length, disks.requests.count, memory.freeSlots], [0, 0, free]);
});

test('the mount serves once the reply to INIT has left', (t) => {
  const { dispatcher, sent, accepted, receive } = setUp();
  receive(INIT, 0, hex('major 07000000', 'minor 2d000000', 'readahead 00*4', 'flags 00*4'));
  t.deepEqual([dispatcher.isServing, accepted], [false, []]);
  dispatcher.replied(sent[0]!.request);
  t.deepEqual([dispatcher.isServing, accepted], [true, [true]]);
});

test('each reply is a line of the trace: request, node, range and result', (t) => {
  const { disks, dispatcher, lines, receive } = setUp();
  receive(READ, DISK, READ_IN);
  dispatcher.reply(disks.begun, -EIO, 0, false);
  receive(99, 5, new Uint8Array());
  t.deepEqual(lines, [
    '#1432778632 READ node 2 512 at 4096: EIO',
    '#1432778632 opcode 99 node 5: ENOSYS',
  ]);
});
