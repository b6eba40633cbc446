import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import test from 'ava';
import {
  capacityFor,
  IN_FLIGHT_MAX,
  IN_FLIGHT_MIN,
  lendingCapacity,
  MEMORY_BYTES,
  Memory,
  poolOffset,
  RECEIVE_BYTES,
  RECEIVE_SLOTS,
  REQUESTS,
  replyOffset,
  SLOT_ANSWER,
  SLOT_BYTES,
  SLOT_DATA,
  SLOT_EDGES,
  SLOT_REQUEST,
  slotOffset,
} from '../../src/buffers/memory.js';

const KIB = 1024;
const MIB = 1024 * KIB;

/** Resident bytes of a range of pages. /proc/self/pagemap has 8 bytes a page; bit 63 means present. */
function residentBytes(memory: Memory, from: number, length: number): number {
  const map = Buffer.alloc((length / 4096) * 8);
  const file = openSync('/proc/self/pagemap', 'r');
  readSync(file, map, 0, map.length, ((memory.address + from) / 4096) * 8);
  closeSync(file);
  let pages = 0;
  for (let at = 7; at < map.length; at += 8) pages += map[at]! >> 7;
  return pages * 4096;
}

test('a slot holds the largest write: headers, page-aligned payload of 1 MiB', (t) => {
  t.is(SLOT_DATA, 4096);
  t.is(SLOT_REQUEST + 40 + 40, SLOT_DATA);
  t.true(RECEIVE_BYTES >= 40 + 40 + MIB);
  t.is(SLOT_REQUEST + RECEIVE_BYTES, SLOT_BYTES);
});

test('the blocks of an unaligned write fit before its edges, and those before the end', (t) => {
  // 1 MiB from the last byte of a block of 4096 covers 257 blocks.
  t.true(SLOT_DATA + 257 * 4096 <= SLOT_EDGES);
  t.true(SLOT_EDGES + 4096 <= SLOT_BYTES);
});

test('a reply begins behind all that a request without data can hold', (t) => {
  // struct fuse_in_header and a name of FUSE_NAME_MAX (1024) with its NUL; SETATTR is 128.
  t.true(SLOT_ANSWER >= SLOT_REQUEST + 40 + 1025);
  // A READDIR of 1 MiB fits after it.
  t.true(SLOT_ANSWER + MIB <= SLOT_BYTES);
});

test('every slot and the pool are page-aligned, replies are whole cache lines', (t) => {
  const memory = new Memory();
  for (const slot of [0, 1, 287]) t.is((memory.address + slotOffset(slot)) % 4096, 0);
  t.is((memory.address + poolOffset()) % 4096, 0);
  t.is(replyOffset(1) % 64, 0);
});

test('replies, slots and pool lie behind one another and within the mapping', (t) => {
  const memory = new Memory();
  t.true(replyOffset(REQUESTS - 1) + 16 + 128 <= slotOffset(0));
  t.is(slotOffset(IN_FLIGHT_MAX + RECEIVE_SLOTS - 1) + SLOT_BYTES, poolOffset());
  t.is(memory.buffer.byteLength, poolOffset() + 1024 * MIB);
});

test('each slot is given out once, then there is none', (t) => {
  const memory = new Memory();
  t.is(memory.freeSlots, 288);
  t.is(IN_FLIGHT_MIN + RECEIVE_SLOTS, 288);
  const taken = Array.from({ length: 288 }, () => memory.takeSlot());
  t.deepEqual(
    taken,
    Array.from({ length: 288 }, (_, i) => i),
  );
  t.is(memory.freeSlots, 0);
  t.is(memory.takeSlot(), -1);
  t.is(memory.freeSlots, 0);
});

test('the slot that was used last is taken first', (t) => {
  const memory = new Memory();
  const [a, b, c] = [memory.takeSlot(), memory.takeSlot(), memory.takeSlot()];
  memory.releaseSlot(b);
  memory.releaseSlot(a);
  memory.releaseSlot(c);
  t.deepEqual([memory.takeSlot(), memory.takeSlot(), memory.takeSlot()], [c, a, b]);
});

test('the views show the same bytes, and zeros to begin with', (t) => {
  const memory = new Memory();
  const at = slotOffset(3);
  t.is(memory.words[at >> 2], 0);
  memory.view.setUint32(at, 0x01020304, true);
  t.is(memory.words[at >> 2], 0x01020304);
  t.is(memory.bytes[at], 4);
});

test('nothing is resident before it is used', (t) => {
  const memory = new Memory();
  t.is(residentBytes(memory, 0, memory.buffer.byteLength), 0);
});

test('trimming gives back free slots behind their first 64 KiB, and leaves slots in use', (t) => {
  const memory = new Memory();
  const [kept, freed] = [memory.takeSlot(), memory.takeSlot()];
  for (const slot of [kept, freed]) {
    memory.bytes.fill(7, slotOffset(slot), slotOffset(slot) + SLOT_BYTES);
  }
  t.is(residentBytes(memory, slotOffset(freed), SLOT_BYTES), SLOT_BYTES);
  memory.releaseSlot(freed);
  memory.trim();
  t.is(residentBytes(memory, slotOffset(freed), SLOT_BYTES), 64 * KIB);
  t.is(residentBytes(memory, slotOffset(kept), SLOT_BYTES), SLOT_BYTES);
  t.is(memory.bytes[slotOffset(kept) + SLOT_BYTES - 1], 7);
  t.is(memory.bytes[slotOffset(freed) + 64 * KIB - 1], 7);
  t.is(memory.bytes[slotOffset(freed) + 64 * KIB], 0);
});

test('where slots are populated one is resident once it is taken, again after it was trimmed, and no other one is', (t) => {
  const memory = new Memory();
  const resident = (slot: number): number =>
    residentBytes(memory, slotOffset(slot), SLOT_BYTES) / KIB;
  const plain = memory.takeSlot();
  t.is(resident(plain), 0);
  memory.populates = true;
  const [kept, freed] = [memory.takeSlot(), memory.takeSlot()];
  const all = SLOT_BYTES / KIB;
  t.deepEqual([plain, kept, freed, freed + 1].map(resident), [0, all, all, 0]);
  memory.bytes[slotOffset(kept)] = 7;
  memory.releaseSlot(freed);
  memory.trim();
  t.deepEqual([kept, freed].map(resident), [all, 64]);
  t.is(memory.takeSlot(), freed);
  t.deepEqual([kept, freed].map(resident), [all, all]);
  t.is(memory.bytes[slotOffset(kept)], 7);
});

test('trimming a memory whose slots are all in use gives nothing back', (t) => {
  const memory = new Memory();
  for (let i = 0; i < 288; i++) memory.takeSlot();
  memory.bytes.fill(7, slotOffset(5), slotOffset(6));
  memory.trim();
  t.is(residentBytes(memory, slotOffset(5), SLOT_BYTES), SLOT_BYTES);
});

test('trimming the pool gives all of it back and touches no slot', (t) => {
  const memory = new Memory();
  const slot = memory.takeSlot();
  memory.bytes.fill(7, slotOffset(slot), slotOffset(slot) + 4096);
  memory.bytes.fill(7, poolOffset(), poolOffset() + 8 * MIB);
  memory.bytes.fill(7, memory.buffer.byteLength - 4096);
  t.is(residentBytes(memory, poolOffset(), 1024 * MIB), 8 * MIB + 4096);
  memory.trimPool();
  t.is(residentBytes(memory, poolOffset(), 1024 * MIB), 0);
  t.is(memory.bytes[slotOffset(slot)], 7);
  t.is(memory.bytes[poolOffset()], 0);
});

test('requests in flight follow the memory of the machine, and fit into offsets of 31 bits', (t) => {
  const GIB = 1 << 30;
  const found = [0.5, 4, 6, 8, 24, 1024].map((gib) => capacityFor(gib * GIB).inFlight);
  t.deepEqual(found, [256, 256, 376, 502, 960, 960]);
  t.true(MEMORY_BYTES < 2 ** 31);
});

test('where requests keep their slots, those fill the place of the pool', (t) => {
  const GIB = 1 << 30;
  for (const [gib, slots] of [
    [1, 1292],
    [24, 1996],
  ] as const) {
    const memory = new Memory(lendingCapacity(gib * GIB));
    t.is(memory.slots, slots);
    t.true(slotOffset(slots) <= MEMORY_BYTES);
  }
});

test('a slot that is lent is not free, and is trimmed all the same', (t) => {
  const memory = new Memory();
  const slot = memory.lendSlot();
  t.deepEqual([memory.lentSlots, memory.freeSlots], [1, memory.slots - 1]);
  memory.bytes.fill(7, slotOffset(slot), slotOffset(slot) + SLOT_BYTES);
  memory.trim();
  t.is(residentBytes(memory, slotOffset(slot), SLOT_BYTES), 64 * KIB);
  memory.takeBack(slot);
  t.deepEqual([memory.lentSlots, memory.freeSlots], [0, memory.slots]);
});

test('a process that is started has no copy of the memory', (t) => {
  const { address } = new Memory();
  const maps = readFileSync('/proc/self/smaps', 'utf8').split(/\n(?=[0-9a-f]+-)/);
  const map = maps.find((one) => {
    const [, from, to] = /^([0-9a-f]+)-([0-9a-f]+) /.exec(one)!;
    return address >= Number(`0x${from}`) && address < Number(`0x${to}`);
  });
  // Of madvise(2): do not copy on fork.
  t.regex(map!, /^VmFlags:.* dc( |$)/m);
});
