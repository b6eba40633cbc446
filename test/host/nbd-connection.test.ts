import test from 'ava';
import { NbdConnection, type WireEvents } from '../../src/host/nbd-connection.js';
import { NbdRows } from '../../src/host/nbd-rows.js';
import { bytesAt, mapAnonymous } from '../../src/sys/memory.js';
import { AGREED } from '../helpers/nbd-rig.js';

const READ = 0;
const WRITE = 1;
const memory = mapAnonymous(1 << 20);
const bytes = new Uint8Array(memory.buffer);

/** A connection over a wire that only notes. */
function rig(canPlace: boolean) {
  const rows = new NbdRows(300);
  rows.lists.grow(300, 1);
  const sends: [number, number][] = [];
  const receives: [number, number, boolean][] = [];
  const notes: string[] = [];
  let events: WireEvents | null = null;
  const owner = {
    replied: (_one: unknown, row: number) => void notes.push(`replied ${row} ${rows.error[row]}`),
    hasRoom: () => void notes.push('room'),
    broken: (why: string) => void notes.push(why),
    closed: () => void notes.push('closed'),
  };
  const open = (_descriptor: number, _buffer: unknown, given: WireEvents) => {
    events = given;
    return {
      canPlace,
      send: (address: number, length: number) => void sends.push([address, length]),
      receive: (address: number, length: number, all: boolean) =>
        void receives.push([address, length, all]),
      close: () => given.closed(),
    };
  };
  const connection = new NbdConnection(rows, 0, AGREED, -1, open, owner);
  const queue = (row: number, command: number, length: number): void => {
    rows.fill(row, command, 0, memory.address, length, 0);
    rows.piece[row] = length;
    connection.queue(row);
  };
  return { rows, connection, sends, receives, notes, queue, events: events! as WireEvents };
}

test('requests of a turn go down in one send, and those that come meanwhile in the next', (t) => {
  const { connection, sends, notes, queue, events } = rig(false);
  queue(1, READ, 4096);
  queue(2, READ, 4096);
  queue(3, WRITE, 1000);
  connection.unplug();
  queue(4, READ, 4096);
  queue(5, READ, 4096);
  connection.unplug();
  t.deepEqual(
    sends.map(([, length]) => length),
    [3 * 28 + 1000],
  );
  events.sent(3 * 28 + 1000);
  t.deepEqual(
    sends.map(([, length]) => length),
    [1084, 56],
  );
  // A part of it: the rest follows.
  events.sent(6);
  t.deepEqual(sends[2], [sends[1]![0] + 6, 50]);
  t.deepEqual(notes, []);
  events.sent(50);
  t.deepEqual(notes, ['room']);
});

test('a large payload is sent from its own place', (t) => {
  const { connection, sends, queue, events } = rig(false);
  queue(1, READ, 10);
  queue(2, WRITE, 65536);
  queue(3, READ, 10);
  connection.unplug();
  events.sent(56);
  events.sent(65536);
  t.deepEqual(
    sends.map(([, length]) => length),
    [56, 65536, 28],
  );
  t.is(sends[1]![0], memory.address);
});

test('there is room for 128 requests, and for so many bytes of data', (t) => {
  const many = rig(false);
  let count = 0;
  for (; many.connection.hasRoomFor(0); count++) many.queue(count, READ, 512);
  t.is(count, 128);
  const long = rig(false);
  for (count = 0; long.connection.hasRoomFor(30_000); count++) long.queue(count, WRITE, 30_000);
  t.is(count, 8);
});

test('data of a large read is received at its place, if the wire can do that', (t) => {
  for (const canPlace of [true, false]) {
    const { rows, receives, notes, queue, events } = rig(canPlace);
    queue(7, READ, 40_000);
    const [buffer] = receives[0]!;
    const head = Buffer.alloc(28 + 100, 9);
    head.writeUInt32BE(0x668e33ef, 0);
    head.writeUInt16BE(1, 4);
    head.writeUInt16BE(1, 6);
    head.writeUInt32BE(rows.generation[7]!, 8);
    head.writeUInt32BE(7, 12);
    head.writeUInt32BE(8 + 40_000, 16);
    head.writeBigUInt64BE(0n, 20);
    bytesAt(buffer, head.length).set(head);
    bytes.fill(0);
    events.received(head.length);
    t.is(bytes[99], 9);
    t.is(bytes[100], 0);
    if (!canPlace) {
      t.deepEqual(receives[1], receives[0]);
      continue;
    }
    t.deepEqual(receives[1], [memory.address + 100, 39_900, true]);
    events.received(39_900);
    t.deepEqual(notes, ['replied 7 0']);
    t.is(receives.length, 3);
  }
});

test('the end and errors of a connection are told, and nothing after it is closed', (t) => {
  for (const [result, says] of [
    [0, 'the server has closed the connection'],
    [-104, 'the server has closed the connection'],
    [-110, 'the connection fails: ETIMEDOUT'],
  ] as const) {
    const { connection, notes, events } = rig(false);
    events.received(result);
    connection.close();
    events.received(1);
    events.sent(1);
    t.deepEqual(notes, [says, 'closed']);
  }
});
