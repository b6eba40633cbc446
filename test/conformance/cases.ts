import { statSync } from 'node:fs';
import type { ExecutionContext } from 'ava';
import { ERRNO } from '../../src/util/errno.js';
import { sameBytes } from '../helpers/same-bytes.js';
import { KIB, MIB, pattern } from '../helpers/temp.js';
import type { Setup, Subject, Variant } from './subject.js';

/** A rule for every way of serving an image. */
export interface Case {
  title: string;
  setup: Setup;
  /** It is about what an image that is passed through does without. */
  ofDaemon?: true;
  run(t: ExecutionContext, subject: Subject, variant: Variant): Promise<void>;
}

const SEEK_DATA = 3;
const SEEK_HOLE = 4;
const PUNCH_HOLE = 3;

/** Offset and length: whole blocks, parts of blocks, across a page, longer than one request. */
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
    const expected = await subject.image.content();
    for (const [index, [offset, length]] of RANGES.entries()) {
      const first = await subject.read(offset, length);
      t.is(first.result, length);
      t.true(first.bytes.equals(expected.subarray(offset, offset + length)), `read ${offset}`);
      const data = pattern(length, 100 + index);
      data.copy(expected, offset);
      t.is(await subject.write(offset, data), length);
    }
    t.is(await subject.fsync(), 0);
    t.true((await subject.image.content()).equals(expected));
    for (const [offset, length] of RANGES) {
      const again = await subject.read(offset, length);
      t.true(again.bytes.equals(expected.subarray(offset, offset + length)), `again ${offset}`);
    }
  },
};

const atEnd: Case = {
  ofDaemon: true,
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
    t.is(await subject.fsync(), 0);
    t.is((await subject.image.content()).length, MIB);
  },
};

const tail: Case = {
  ofDaemon: true,
  title: 'an image whose file ends inside a sector is shown with zeros up to the next one',
  setup: { bytes: 64 * KIB + 100 },
  async run(t, subject) {
    t.is(await subject.size(), 64 * KIB + 512);
    const { result, bytes } = await subject.read(64 * KIB, 4096);
    t.is(result, 512);
    t.deepEqual(bytes.subarray(100), Buffer.alloc(412));
    t.deepEqual(bytes.subarray(0, 100), pattern(64 * KIB + 100, 1).subarray(64 * KIB));
  },
};

const growth: Case = {
  title: 'a growable image grows with writes and truncate, and shrinks',
  setup: { bytes: MIB, growable: true },
  async run(t, subject, { noShrinking, noGrowth, passedThrough }) {
    if (noGrowth) {
      t.is(await subject.write(2 * MIB, Buffer.alloc(512)), -ERRNO.ENOSPC);
      t.is(await subject.truncate(3 * MIB), -ERRNO.EPERM);
      t.is(await subject.size(), MIB);
      return;
    }
    t.is(await subject.write(2 * MIB + 100, Buffer.alloc(5000, 'z')), 5000);
    // 5100 bytes, in whole sectors
    t.is(await subject.size(), 2 * MIB + (passedThrough ? 5100 : 5120));
    sameBytes(t, (await subject.read(MIB, MIB)).bytes, Buffer.alloc(MIB));
    t.is(await subject.truncate(3 * MIB), 0);
    t.is(await subject.size(), 3 * MIB);
    t.is(await subject.fsync(), 0);
    t.is((await subject.image.content()).length, 3 * MIB);
    t.is(await subject.truncate(MIB / 2), noShrinking ? -ERRNO.EPERM : 0);
    if (noShrinking) return;
    t.is(await subject.size(), MIB / 2);
    t.is((await subject.image.content()).length, MIB / 2);
    t.is((await subject.read(MIB / 2 - 512, 4096)).result, 512);
  },
};

const holes: Case = {
  title: 'holes read as zeros, and lseek finds them',
  setup: { bytes: 4 * MIB, sparse: true },
  async run(t, subject, { noSeek }) {
    t.is(await subject.write(MIB, Buffer.alloc(64 * KIB, 'd')), 64 * KIB);
    t.is(await subject.fsync(), 0);
    sameBytes(t, (await subject.read(2 * MIB, MIB)).bytes, Buffer.alloc(MIB));
    t.is(await subject.seek(0, SEEK_DATA), noSeek ? 0 : MIB);
    t.is(await subject.seek(MIB, SEEK_HOLE), noSeek ? 4 * MIB : MIB + 64 * KIB);
    t.is(await subject.seek(4 * MIB, SEEK_DATA), -ERRNO.ENXIO);
  },
};

const punching: Case = {
  title: 'punching a hole gives the blocks back',
  setup: { bytes: 4 * MIB },
  async run(t, subject, { noAllocate }) {
    const expected = await subject.image.content();
    const before = statSync(subject.image.dataPath).blocks;
    const result = await subject.allocate(PUNCH_HOLE, MIB, 2 * MIB);
    t.is(result, noAllocate ? -ERRNO.EOPNOTSUPP : 0);
    if (!noAllocate) {
      expected.fill(0, MIB, 3 * MIB);
      t.is(await subject.fsync(), 0);
      t.true(statSync(subject.image.dataPath).blocks <= before - 4000);
    }
    t.true((await subject.read(0, 4 * MIB)).bytes.equals(expected));
  },
};

const readOnly: Case = {
  ofDaemon: true,
  title: 'a read-only image is read and not written',
  setup: { bytes: MIB, readOnly: true },
  async run(t, subject) {
    t.is((await subject.read(0, 4096)).result, 4096);
    const result = await subject.write(0, Buffer.alloc(512));
    t.true(result === -ERRNO.EROFS || result === -ERRNO.EBADF, `${result}`);
    t.true((await subject.image.content()).equals(pattern(MIB, 1)));
  },
};

const neighbours: Case = {
  title: 'writes to neighbouring bytes of one block, all at once, all survive',
  setup: { bytes: MIB },
  async run(t, subject) {
    const expected = await subject.image.content();
    const parts = Array.from({ length: 40 }, (_, i) => ({ at: 4096 + i * 100, byte: 65 + i }));
    const write = ({ at, byte }: { at: number; byte: number }) =>
      subject.write(at, Buffer.alloc(100, byte));
    t.deepEqual(new Set(await Promise.all(parts.map(write))), new Set([100]));
    for (const { at, byte } of parts) expected.fill(byte, at, at + 100);
    t.is(await subject.fsync(), 0);
    t.true((await subject.image.content()).equals(expected));
  },
};

const limit: Case = {
  ofDaemon: true,
  title: 'a limit holds, and a change of it reaches who waits',
  setup: { bytes: MIB, name: 'limited', group: ['g:iops=100'], assign: ['limited=g'] },
  async run(t, subject) {
    const begin = performance.now();
    for (let i = 0; i < 40; i++) t.is((await subject.read(i * 4096, 4096)).result, 4096);
    const ms = performance.now() - begin;
    // The allowance of 10 ms is one request: 39 intervals of 10 ms remain.
    t.true(ms >= 389, `${ms} ms`);
    t.is(await subject.writeControl('g/io.max', 'iops=1\n'), 7);
    const waiting = Promise.all([subject.read(0, 4096), subject.read(4096, 4096)]);
    t.is(await subject.writeControl('g/io.max', 'iops=max\n'), 9);
    const results = (await waiting).map(({ result }) => result);
    t.deepEqual(results, [4096, 4096]);
    t.true(performance.now() - begin < 39_000, 'not at one a second and not at 100');
    t.regex(await subject.readControl('g/io.stat'), /^total rbytes=172032 wbytes=0 rios=42 /m);
  },
};

const controlTree: Case = {
  ofDaemon: true,
  title: 'groups are made, changed and removed by their files',
  setup: { bytes: MIB, name: 'disk', group: ['a:iops=7'], assign: ['disk=a'] },
  async run(t, subject) {
    const io = 'rbps=max wbps=max bps=max riops=max wiops=max iops=7 iops_size=max\n';
    t.is(await subject.readControl('a/io.max'), io);
    t.is(await subject.readControl('a/members'), 'disk\n');
    for (const text of ['iops=-1\n', 'iops=0\n', 'nonsense=1\n', 'iops=5 bps\n']) {
      t.true((await subject.writeControl('a/io.max', text)) < 0, text);
      t.is(await subject.readControl('a/io.max'), io, 'refused: nothing has changed');
    }
    t.is(await subject.writeControl('a/io.weight', '80\n'), 3);
    t.is(await subject.readControl('a/io.weight'), 'default 80\n');
    t.is(await subject.removeGroup('a'), -ERRNO.EBUSY);
    t.is(await subject.makeGroup('a/child'), -ERRNO.EBUSY, 'it has members');
    t.is(await subject.makeGroup('b'), 0);
    t.is(await subject.makeGroup('b'), -ERRNO.EEXIST);
    t.is(await subject.writeControl('b/members', 'disk\n'), 5);
    t.is(await subject.readControl('a/members'), '');
    t.is(await subject.removeGroup('a'), 0);
    t.is(await subject.removeGroup('a'), -ERRNO.ENOENT);
    t.is((await subject.read(0, 4096)).result, 4096);
    t.regex(await subject.readControl('b/io.stat'), /^disk rbytes=4096 /m);
  },
};

/** All rules. They run for every variant, except for those that its `Variant` excludes. */
export const CASES: readonly Case[] = [
  bytes,
  atEnd,
  tail,
  growth,
  holes,
  punching,
  readOnly,
  neighbours,
  limit,
  controlTree,
];
