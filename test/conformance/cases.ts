import { readFileSync, statSync } from 'node:fs';
import type { ExecutionContext } from 'ava';
import { ERRNO } from '../../src/util/errno.js';
import { KIB, MIB, pattern } from '../helpers/temp.js';
import type { Setup, Subject, Variant } from './subject.js';

/** A rule that every way of serving an image keeps. */
export interface Case {
  title: string;
  setup: Setup;
  run(t: ExecutionContext, subject: Subject, variant: Variant): Promise<void>;
}

const SEEK_DATA = 3;
const SEEK_HOLE = 4;
const PUNCH_HOLE = 3;

/** Offset and length: whole blocks, parts of them, across a page, longer than one request. */
const RANGES = [
  [0, 4096],
  [8192, 128 * KIB],
  [1 * MIB, 1 * MIB],
  [1, 1],
  [4095, 2],
  [12_345, 70_001],
  [3 * MIB - 700, 300 * KIB],
] as const;

const bytes: Case = {
  title: 'what is written is read, and nothing else changes',
  setup: { bytes: 4 * MIB },
  async run(t, subject) {
    const expected = readFileSync(subject.image);
    for (const [index, [offset, length]] of RANGES.entries()) {
      const first = await subject.read(offset, length);
      t.is(first.result, length);
      t.true(first.bytes.equals(expected.subarray(offset, offset + length)), `read ${offset}`);
      const data = pattern(length, 100 + index);
      data.copy(expected, offset);
      t.is(await subject.write(offset, data), length);
    }
    t.is(await subject.fsync(), 0);
    t.true(readFileSync(subject.image).equals(expected));
    for (const [offset, length] of RANGES) {
      const again = await subject.read(offset, length);
      t.true(again.bytes.equals(expected.subarray(offset, offset + length)), `again ${offset}`);
    }
  },
};

const atEnd: Case = {
  title: 'the end of a fixed image: short reads and writes, no space behind it',
  setup: { bytes: MIB },
  async run(t, subject) {
    t.is((await subject.read(MIB - 100, 4096)).result, 100);
    t.is((await subject.read(MIB, 4096)).result, 0);
    t.is((await subject.read(5 * MIB, 4096)).result, 0);
    t.is(await subject.write(MIB - 1000, Buffer.alloc(8192, 'y')), 1000);
    t.is(await subject.write(MIB, Buffer.alloc(512)), -ERRNO.ENOSPC);
    t.is(await subject.truncate(2 * MIB), -ERRNO.EPERM);
    t.is(await subject.size(), MIB);
    t.is(statSync(subject.image).size, MIB);
  },
};

const tail: Case = {
  title: 'an image whose file ends inside a sector is shown with zeros up to the next one',
  setup: { bytes: 64 * KIB + 100 },
  async run(t, subject) {
    t.is(await subject.size(), 64 * KIB + 512);
    const { result, bytes } = await subject.read(64 * KIB, 4096);
    t.is(result, 512);
    t.deepEqual(bytes.subarray(100), Buffer.alloc(412));
    t.deepEqual(bytes.subarray(0, 100), readFileSync(subject.image).subarray(64 * KIB));
  },
};

const growth: Case = {
  title: 'a growable image grows with writes and truncate, and shrinks',
  setup: { bytes: MIB, growable: true },
  async run(t, subject) {
    t.is(await subject.write(2 * MIB + 100, Buffer.alloc(5000, 'z')), 5000);
    t.is(await subject.size(), 2 * MIB + 5120); // 5100 bytes, in whole sectors
    t.deepEqual((await subject.read(MIB, MIB)).bytes, Buffer.alloc(MIB));
    t.is(await subject.truncate(3 * MIB), 0);
    t.is(await subject.size(), 3 * MIB);
    t.is(await subject.truncate(MIB / 2), 0);
    t.is(await subject.size(), MIB / 2);
    t.is(statSync(subject.image).size, MIB / 2);
    t.is((await subject.read(MIB / 2 - 512, 4096)).result, 512);
  },
};

const holes: Case = {
  title: 'holes read as zeros, and lseek finds them',
  setup: { bytes: 4 * MIB, sparse: true },
  async run(t, subject, { noSeek }) {
    t.is(await subject.write(MIB, Buffer.alloc(64 * KIB, 'd')), 64 * KIB);
    t.is(await subject.fsync(), 0);
    t.deepEqual((await subject.read(2 * MIB, MIB)).bytes, Buffer.alloc(MIB));
    t.is(await subject.seek(0, SEEK_DATA), noSeek ? 0 : MIB);
    t.is(await subject.seek(MIB, SEEK_HOLE), noSeek ? 4 * MIB : MIB + 64 * KIB);
    t.is(await subject.seek(4 * MIB, SEEK_DATA), -ERRNO.ENXIO);
  },
};

const punching: Case = {
  title: 'punching a hole gives the blocks back',
  setup: { bytes: 4 * MIB },
  async run(t, subject, { noAllocate }) {
    const expected = readFileSync(subject.image);
    const before = statSync(subject.image).blocks;
    const result = await subject.allocate(PUNCH_HOLE, MIB, 2 * MIB);
    t.is(result, noAllocate ? -ERRNO.EOPNOTSUPP : 0);
    if (!noAllocate) {
      expected.fill(0, MIB, 3 * MIB);
      t.true(statSync(subject.image).blocks <= before - 4000);
    }
    t.true((await subject.read(0, 4 * MIB)).bytes.equals(expected));
  },
};

const readOnly: Case = {
  title: 'a read-only image is read and not written',
  setup: { bytes: MIB, readOnly: true },
  async run(t, subject) {
    t.is((await subject.read(0, 4096)).result, 4096);
    const result = await subject.write(0, Buffer.alloc(512));
    t.true(result === -ERRNO.EROFS || result === -ERRNO.EBADF, `${result}`);
    t.true(readFileSync(subject.image).equals(pattern(MIB, 1)));
  },
};

const neighbours: Case = {
  title: 'writes to neighbouring bytes of one block, all at once, all survive',
  setup: { bytes: MIB },
  async run(t, subject) {
    const expected = readFileSync(subject.image);
    const parts = Array.from({ length: 40 }, (_, i) => ({ at: 4096 + i * 100, byte: 65 + i }));
    const write = ({ at, byte }: { at: number; byte: number }) =>
      subject.write(at, Buffer.alloc(100, byte));
    t.deepEqual(new Set(await Promise.all(parts.map(write))), new Set([100]));
    for (const { at, byte } of parts) expected.fill(byte, at, at + 100);
    t.is(await subject.fsync(), 0);
    t.true(readFileSync(subject.image).equals(expected));
  },
};

/** The list; it is run over every variant, whose declared exceptions are in `Variant`. */
export const CASES: readonly Case[] = [
  bytes,
  atEnd,
  tail,
  growth,
  holes,
  punching,
  readOnly,
  neighbours,
];
