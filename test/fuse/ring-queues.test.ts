import test from 'ava';
import { CAPACITY, Memory, SLOT_DATA, slotOffset } from '../../src/buffers/memory.js';
import type { DeviceSession } from '../../src/fuse/device-session.js';
import type { Dispatcher } from '../../src/fuse/dispatch.js';
import { RingQueues } from '../../src/fuse/ring-queues.js';
import { Requests } from '../../src/plane/requests.js';
import { bytesAt } from '../../src/sys/memory.js';
import type { CommandQueue } from '../../src/uring/ring.js';

const ECANCELED = 125;
const ENOTCONN = 107;
const ENOMEM = 12;
const EINTR = 4;
const REGISTER = 1;
const COMMIT_AND_FETCH = 2;
/** 2 MiB of slots: 20 that can be lent, 2 for receiving. */
const SMALL = { ...CAPACITY, inFlight: 4, receives: 2, poolBytes: 0, waiting: 16 };

const OFFERED = { flags2: 1 << 9 };

interface Command {
  code: number;
  address: number;
  first: number;
  second: number;
  queue: number;
  slot: number;
}

function setUp(queues: number) {
  const memory = new Memory(SMALL);
  const requests = new Requests(64);
  const commands: Command[] = [];
  const warnings: string[] = [];
  const ring: CommandQueue = {
    queueCommand: (_flags, _file, code, address, _length, first, second, queue, tag) => {
      commands.push({ code, address, first, second, queue, slot: tag & 0xffffff });
    },
  };
  const sentByDevice: number[] = [];
  const device = {
    sent: new Int32Array(64),
    sentCount: 0,
    send: (request: number) => void sentByDevice.push(request),
  } as unknown as DeviceSession;
  const warn = (text: string): void => void warnings.push(text);
  const parts = { ring, file: 0, memory, requests, device, warn };
  const made = new RingQueues(parts, queues);
  return { queues: made, memory, requests, commands, warnings, device, sentByDevice };
}

/** The two ranges that a registration names. */
function iovecs({ address }: Command): number[] {
  const bytes = bytesAt(address, 32);
  const view = new DataView(bytes.buffer, bytes.byteOffset, 32);
  return [0, 8, 16, 24].map((at) => Number(view.getBigUint64(at, true)));
}

test('every queue gets entries of its own, each with headers and a payload of 1 MiB', (t) => {
  const { queues, memory, commands } = setUp(2);
  queues.start(OFFERED);
  t.deepEqual(
    commands.map(({ code, queue }) => [code, queue]),
    Array.from({ length: 20 }, (_, i) => [REGISTER, i % 2]),
  );
  t.is(new Set(commands.map(({ slot }) => slot)).size, 20);
  t.deepEqual([memory.lentSlots, memory.freeSlots], [20, 2]);
  t.is(queues.maxBackground, 7, 'fewer than ten');
  const { address } = memory;
  for (const command of commands) {
    const start = address + slotOffset(command.slot) + SLOT_DATA;
    const [headers, headerBytes, payload, payloadBytes] = iovecs(command);
    t.deepEqual([headerBytes, payload, payloadBytes], [288, start, 1 << 20]);
    t.true(headers! >= start - 4096 && headers! + 288 <= start);
  }
});

/** Puts a request as the kernel does: header, first argument, and the rest as payload. */
function deliver(memory: Memory, headers: number, first: Buffer, rest: Buffer, slot: number): void {
  const { bytes, view } = memory;
  view.setUint32(headers, 40 + first.length + rest.length, true);
  bytes.set(first, headers + 128);
  view.setUint32(headers + 272, rest.length, true);
  bytes.set(rest, slotOffset(slot) + SLOT_DATA);
}

test('a request is read in place, with its first argument before the others', (t) => {
  const { queues, memory, commands } = setUp(1);
  queues.start(OFFERED);
  const { slot } = commands[0]!;
  const headers = iovecs(commands[0]!)[0]! - memory.address;
  const found: Buffer[] = [];
  const dispatcher = {
    lent: (from: number, at: number, body: number, length: number) => {
      t.deepEqual([from, at], [slot, headers]);
      found.push(Buffer.from(memory.bytes.slice(body, body + length)));
    },
  } as unknown as Dispatcher;
  for (const [first, rest] of [
    ['', ''],
    ['a first argument', ''],
    ['', 'name\0'],
    ['argument', 'two names\0each\0'],
  ] as const) {
    deliver(memory, headers, Buffer.from(first), Buffer.from(rest), slot);
    t.true(queues.arrived(slot, 0));
    queues.begin(slot, dispatcher);
    t.is(found.at(-1)!.toString(), `${first}${rest}`);
  }
});

test('a reply goes with its entry: header, payload, and the number of the request', (t) => {
  const { queues, memory, requests, commands, device, sentByDevice } = setUp(1);
  queues.start(OFFERED);
  const { slot } = commands[0]!;
  const headers = iovecs(commands.splice(0)[0]!)[0]! - memory.address;
  queues.arrived(slot, 0);
  const request = requests.take();
  requests.lent[request] = 1;
  requests.slot[request] = slot;
  requests.uniqueLow[request] = 10;
  requests.uniqueHigh[request] = 0x8000_0001;
  // A reply elsewhere in the memory, at any byte.
  const at = 1235;
  memory.view.setInt32(at + 4, 0, true);
  memory.bytes.set(Buffer.from('payload'), at + 16);
  queues.send(request, at, 16 + 7, false, 0);
  const sent = { code: COMMIT_AND_FETCH, first: 10, second: 0x8000_0001, queue: 0, slot };
  t.deepEqual(commands, [{ ...sent, address: 0 }]);
  const word = (offset: number): number => memory.view.getUint32(headers + offset, true);
  t.deepEqual([word(0), word(4), word(8), word(12)], [23, 0, 10, 0x8000_0001]);
  t.is(word(272), 7);
  const data = slotOffset(slot) + SLOT_DATA;
  t.is(Buffer.from(memory.bytes.slice(data, data + 7)).toString(), 'payload');
  t.deepEqual([device.sentCount, device.sent[0]], [1, request]);
  // Behind a transfer: the transfer tells when it has left.
  queues.send(request, data - 16, 16 + 7, true, 0);
  t.is(device.sentCount, 1);
  // INIT and the like came over /dev/fuse.
  requests.lent[request] = 0;
  queues.send(request, at, 16, false, 0);
  t.deepEqual(sentByDevice, [request]);
});

test('an entry that fails is no entry any more; one that was interrupted is given again', (t) => {
  const { queues, memory, commands, warnings } = setUp(1);
  queues.start(OFFERED);
  const [one, two, three, four] = commands.splice(0);
  t.false(queues.arrived(one!.slot, -EINTR));
  t.deepEqual(
    commands.splice(0).map(({ code, slot }) => [code, slot]),
    [[REGISTER, one!.slot]],
  );
  // A linked transfer failed, and the request is answered again.
  t.false(queues.arrived(two!.slot, -ECANCELED));
  const before = memory.lentSlots;
  t.false(queues.arrived(three!.slot, -ENOTCONN));
  t.is(memory.lentSlots, before - 1);
  t.deepEqual(warnings, []);
  t.false(queues.arrived(four!.slot, -ENOMEM));
  t.false(queues.arrived(two!.slot, -ENOMEM));
  t.deepEqual(warnings, ['FUSE over io_uring failed (ENOMEM); the kernel goes on over /dev/fuse']);
});

test('where the kernel does not offer it, requests come over /dev/fuse', (t) => {
  const { queues, memory, commands, warnings } = setUp(2);
  queues.start({ flags2: 0 });
  t.deepEqual([commands, memory.lentSlots], [[], 0]);
  t.deepEqual(warnings, [
    'the kernel does not offer FUSE over io_uring; requests come over /dev/fuse',
  ]);
});
