import test from 'ava';
import { SLOT_DATA, slotOffset } from '../../src/buffers/memory.js';
import { memory } from './exchange.js';
import { nativeSetUp } from './native-setup.js';

const EIO = 5;
const ENODEV = 19;

test('the data of a READ is in the buffer when its thread is signalled', (t) => {
  const { session, disks, signals, open, read } = nativeSetUp();
  const buffer = Buffer.alloc(512);
  read(open('/web.raw'), buffer, 4096);
  t.is(disks.calls.at(-1), 'read 7 4096 512');
  t.deepEqual([signals, session.held], [[], 1]);
  const at = slotOffset(0) + SLOT_DATA;
  memory.bytes.fill(0xab, at, at + 512);
  session.reply(disks.begun, 512, at, false);
  t.deepEqual([signals, session.held], [[512], 0]);
  t.deepEqual(buffer, Buffer.alloc(512, 0xab));
  t.true(session.hasReplied);
  session.endTurn();
  t.is(disks.requests.count, 0);
});

test('a WRITE puts its data into a slot before it is asked for', (t) => {
  const { session, disks, signals, open, write } = nativeSetUp();
  write(open('/web.raw'), Buffer.alloc(512, 0xcd), 1024);
  t.is(disks.calls.at(-1), 'write 7 1024 512 cache=false');
  const at = slotOffset(disks.requests.slot[disks.begun]!) + SLOT_DATA;
  t.deepEqual(Buffer.from(memory.bytes.slice(at, at + 512)), Buffer.alloc(512, 0xcd));
  session.reply(disks.begun, -EIO, 0, false);
  t.deepEqual(signals, [-EIO]);
});

test('an offset comes in two halves', (t) => {
  const { session, disks, thread, open, signals } = nativeSetUp();
  const handle = open('/web.raw');
  const signal = (_thread: Buffer, result: number): void => void signals.push(result);
  const binding = { fuse_native_signal_read: signal, fuse_native_signal_write: signal };
  const { read } = session.transferHandlers(binding as never);
  read(thread, 0, '', handle, Buffer.alloc(1), 1, 512, 3);
  t.is(disks.calls.at(-1), `read 7 ${3 * 4294967296 + 512} 1`);
});

test('a linked reply goes by the thread of transfers, and counts as sent when that says so', (t) => {
  const { session, disks, linked, thread, signals, open, read, write } = nativeSetUp();
  const handle = open('/web.raw');
  thread.writeUInt32LE(0x5000, 56); // where it wants its data
  read(handle, Buffer.alloc(512), 0);
  const first = disks.begun;
  session.reply(first, 512, 4096, true);
  write(handle, Buffer.alloc(512), 0);
  session.reply(disks.begun, 512, 0, true);
  t.deepEqual(linked, [
    [0x1000 + 200, 0x5000],
    [0x1000 + 200, 0],
  ]);
  t.is(thread.readInt32LE(120), 512, 'the result that the thread finds');
  t.deepEqual([signals, session.held], [[], 2]);
  session.sent(first);
  t.is(session.held, 1);
  t.is(disks.requests.count, 1);
});

test('a control file is read and written at once, and a change makes a turn follow', (t) => {
  const { disks, loop, changes, signals, open, read, write } = nativeSetUp();
  const handle = open('/.groups/io.max');
  const buffer = Buffer.alloc(64);
  read(handle, buffer, 0);
  t.is(buffer.toString('utf8', 0, 9), 'rbps=max\n');
  const turns = loop.turns;
  write(handle, Buffer.from('rbps=1M\n'), 0);
  t.deepEqual([signals, changes], [[9, 8], ['write rbps=1M\n']]);
  t.is(loop.turns, turns + 1);
  t.deepEqual([disks.calls, disks.requests.count], [[], 0]);
});

test('what comes while nothing can be received begins, in order, when that is over', (t) => {
  const { session, disks, open, read, write } = nativeSetUp();
  const handle = open('/web.raw');
  disks.receivable = 0;
  read(handle, Buffer.alloc(512), 0);
  write(handle, Buffer.alloc(512), 512);
  t.deepEqual([disks.calls.length, session.held], [1, 2]);
  disks.receivable = 1;
  session.endTurn();
  t.deepEqual(disks.calls.slice(1), ['read 7 0 512', 'write 7 512 512 cache=false']);
});

test('transfers of a file of a removed group are ENODEV', (t) => {
  const { tree, signals, open, read, write } = nativeSetUp();
  const handle = open('/.groups/io.max');
  tree.remove(tree.root.children.get('.groups')!);
  read(handle, Buffer.alloc(8), 0);
  write(handle, Buffer.alloc(8), 0);
  t.deepEqual(signals, [-ENODEV, -ENODEV]);
});

test('requests are numbered upwards, and no rule about callers can match them', (t) => {
  const { disks, open, read } = nativeSetUp();
  const handle = open('/web.raw');
  const { requests } = disks;
  const numbers = [0, 512].map((offset) => {
    read(handle, Buffer.alloc(512), offset);
    return requests.uniqueLow[disks.begun]!;
  });
  t.true(numbers[0]! < numbers[1]!);
  const { uid, gid, thread } = requests;
  t.deepEqual(new Set([uid, gid, thread].map((ids) => ids[disks.begun])), new Set([0xffffffff]));
});
