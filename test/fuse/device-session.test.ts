import test from 'ava';
import { Memory, replyOffset, SLOT_DATA, slotOffset } from '../../src/buffers/memory.js';
import * as fuse from '../../src/fuse/abi.js';
import { DeviceSession } from '../../src/fuse/device-session.js';
import { bytesAt } from '../../src/sys/memory.js';
import type { Ring } from '../../src/uring/ring.js';
import { TAG_INDEX } from '../../src/uring/tags.js';

const EINVAL = 22;
const EFAULT = 14;
const EIO = 5;
const WRITEV = 2;
const ENOENT = 2;
const ENODEV = 19;
const ECANCELED = 125;

/** A queued entry. */
interface Entry {
  opcode: number;
  address: number;
  length: number;
  tag: number;
}

function setUp() {
  const memory = new Memory();
  const entries: Entry[] = [];
  const warnings: string[] = [];
  const ring = {
    queue: (...words: number[]) => {
      entries.push({ opcode: words[0]!, address: words[3]!, length: words[4]!, tag: words[7]! });
    },
  } as unknown as Ring;
  const session = new DeviceSession(
    ring,
    0,
    memory,
    (text) => warnings.push(text),
    () => warnings.push('unreadable'),
  );
  /** Sends the reply of a request, `skip` bytes further on; returns the index in its user data. */
  const send = (request: number, unique: number, skip = 0): number => {
    const at = replyOffset(request) + skip;
    memory.view.setUint32(at + fuse.OUT_UNIQUE, unique, true);
    memory.view.setUint32(at + fuse.OUT_UNIQUE + 4, 7, true);
    session.send(request, at, 16, false, 0);
    return entries.at(-1)!.tag & TAG_INDEX;
  };
  return { memory, session, entries, warnings, send };
}

test('a reply that the kernel refuses is told, and its caller gets EIO', (t) => {
  const { session, entries, warnings, send } = setUp();
  const places = [send(1, 100), send(2, 200)];
  session.sendFailed(places[0]!, -EINVAL);
  t.deepEqual(warnings, ['the kernel refused a reply (EINVAL); its caller gets EIO']);
  t.is(entries.length, 3);
  t.is(entries[2]!.length, 16);
  // If that is refused too, nothing more is sent.
  session.sendFailed(entries[2]!.tag & TAG_INDEX, -EINVAL);
  t.is(entries.length, 3);
  t.is(session.ended, 0);
});

test('EIO reaches the caller of a reply whose header is not aligned', (t) => {
  const { session, entries, send } = setUp();
  session.sendFailed(send(1, 100, 3), -EINVAL);
  const header = bytesAt(entries[1]!.address, 16);
  const view = new DataView(header.buffer, header.byteOffset, 16);
  t.deepEqual(
    [view.getUint32(fuse.OUT_UNIQUE, true), view.getUint32(fuse.OUT_UNIQUE + 4, true)],
    [100, 7],
  );
  t.is(view.getInt32(fuse.OUT_ERROR, true), -EIO);
});

test('a caller that is gone needs no answer', (t) => {
  const { session, entries, warnings, send } = setUp();
  session.sendFailed(send(1, 100), -ENOENT);
  t.deepEqual([entries.length, warnings.length, session.ended], [1, 0, 0]);
});

test('a payload that stays where it is leaves in one call with its header', (t) => {
  const { memory, session, entries, warnings } = setUp();
  const at = slotOffset(3) + SLOT_DATA - 16;
  memory.view.setUint32(at + fuse.OUT_UNIQUE, 100, true);
  session.send(1, at, 16 + 8192, false, 0x7fff_1234_5000);
  const [{ opcode, address, length, tag }] = entries as [Entry];
  t.deepEqual([opcode, length], [WRITEV, 2]);
  const parts = new BigUint64Array(bytesAt(address, 32).slice().buffer);
  t.deepEqual(
    [...parts],
    [BigInt(memory.address + at), 16n, 0x7fff_1234_5000n, 8192n],
    'two of struct iovec',
  );
  t.is(memory.view.getUint32(at + fuse.OUT_UNIQUE, true), 100, 'the header is as it was');
  session.sendFailed(tag & TAG_INDEX, -EFAULT);
  t.deepEqual([entries.length, entries[1]!.length], [2, 16], 'EIO');
  t.deepEqual(warnings, ['unreadable']);
});

test('a session that is gone ends', (t) => {
  const { session, send } = setUp();
  session.sendFailed(send(1, 100), -ENODEV);
  t.is(session.ended, ENODEV);
});

test('while it is paused nothing is received, and receives that are taken back end no session', (t) => {
  const { session, entries } = setUp();
  session.post(8);
  t.is(entries.length, 1);
  t.true(session.isListening);
  session.isPaused = true;
  session.post(8);
  session.cancelReceives();
  t.is(entries.length, 2);
  const slot = entries[0]!.tag & TAG_INDEX;
  t.is(session.received(slot, -ECANCELED), 0);
  t.false(session.isListening);
  t.is(session.ended, 0);
  session.post(8);
  t.is(entries.length, 2);
  session.isPaused = false;
  session.post(8);
  t.is(entries.length, 3);
});
