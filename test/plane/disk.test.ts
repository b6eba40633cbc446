import test from 'ava';
import { pattern } from '../helpers/temp.js';
import {
  allocateBody,
  Bench,
  DISK,
  FALLOCATE,
  FSYNC,
  ioBody,
  LSEEK,
  READ,
  SETATTR,
  seekBody,
  truncateBody,
  WRITE,
  writeBody,
} from './bench.js';

const ENXIO = 6;
const ENOSPC = 28;
const EIO = 5;
const SEEK_DATA = 3;
const SEEK_HOLE = 4;
const PUNCH = 0x02 | 0x01;

const HOST = pattern(40 << 10, 7);
/** Two parts whose border is amid a block of 4096 bytes. */
const VIEWS = [
  { start: 1024, length: 13 << 10 },
  { start: 14 << 10, length: 20 << 10 },
];
const FIRST = DISK;
const SECOND = DISK + 1;

function bench(alignment: number): Bench {
  return new Bench({ contents: [HOST], alignment, views: VIEWS });
}

for (const alignment of [1, 512, 4096]) {
  test(`a part of an image shows its own bytes, alignment ${alignment}`, (t) => {
    const one = bench(alignment);
    const read = (node: number, offset: number, length: number): Buffer =>
      Buffer.from(one.answer(READ, node, ioBody(offset, length)) as Uint8Array);
    t.is(Buffer.compare(read(FIRST, 0, 5000), HOST.subarray(1024, 6024)), 0);
    t.is(Buffer.compare(read(SECOND, 100, 4096), HOST.subarray(14436, 18532)), 0);
    t.is(Buffer.compare(read(FIRST, 13000, 4096), HOST.subarray(14024, 14336)), 0);
    t.is(read(FIRST, 13 << 10, 512).length, 0);
    one.assertIdle();
  });

  test(`writes to both sides of a border survive, alignment ${alignment}`, (t) => {
    const one = bench(alignment);
    const left = one.write((13 << 10) - 100, new Uint8Array(100).fill(1), FIRST);
    const right = one.write(0, new Uint8Array(100).fill(2), SECOND);
    t.is(one.written(left), 100);
    t.is(one.written(right), 100);
    const expected = Buffer.from(HOST);
    expected.fill(1, 14236, 14336);
    expected.fill(2, 14336, 14436);
    t.is(Buffer.compare(one.host.files[0]!.content, expected), 0);
    one.assertIdle();
  });
}

test('a part does not grow into the next one', (t) => {
  const one = bench(512);
  t.is(one.written(one.write((13 << 10) - 10, new Uint8Array(100).fill(9), FIRST)), 10);
  t.is(one.written(one.write(13 << 10, new Uint8Array(100), FIRST)), -ENOSPC);
  const punched = one.answer(FALLOCATE, FIRST, allocateBody(PUNCH, 12 << 10, 1 << 20));
  t.deepEqual(punched, new Uint8Array(0));
  const expected = Buffer.from(HOST).fill(0, 13 << 10, 14 << 10);
  t.is(Buffer.compare(one.host.files[0]!.content, expected), 0);
});

test('a search ends at the end of the part', (t) => {
  const one = bench(1);
  const seek = (node: number, offset: number, whence: number): number => {
    const answer = one.answer(LSEEK, node, seekBody(offset, whence));
    return typeof answer === 'number' ? answer : new DataView(answer.buffer).getUint32(0, true);
  };
  t.is(seek(FIRST, 5, SEEK_DATA), 5);
  t.is(seek(FIRST, 5, SEEK_HOLE), 13 << 10);
  t.is(seek(SECOND, 0, SEEK_HOLE), 20 << 10);
  t.is(seek(FIRST, 13 << 10, SEEK_DATA), -ENXIO);
});

test('a failed flush is told to the users of every part', (t) => {
  const one = bench(1);
  const flush = (node: number, handle: number): number => {
    const body = new Uint8Array(16);
    body[0] = handle;
    const answer = one.answer(FSYNC, node, body);
    return typeof answer === 'number' ? answer : 0;
  };
  const open = (node: number): number => {
    const answer = one.answer(14, node, new Uint8Array([2, 0, 0, 0, 0, 0, 0, 0]));
    return new DataView((answer as Uint8Array).buffer).getUint32(0, true);
  };
  const [first, second] = [open(FIRST), open(SECOND)];
  t.is(one.written(one.write(0, new Uint8Array(8), FIRST)), 8);
  one.host.fault = (op) => (op.kind === 'flush' ? -EIO : null);
  t.is(flush(FIRST, first), -EIO);
  one.host.fault = () => null;
  t.is(flush(FIRST, first), 0);
  t.is(flush(SECOND, second), -EIO);
  t.is(flush(SECOND, second), 0);
});

test('changes that end after a flush has begun need the next one', (t) => {
  const config = { growable: true };
  for (const mode of ['linked', 'plain'] as const) {
    for (const [opcode, body] of [
      [WRITE, writeBody(0, HOST.slice(0, 512))],
      [FALLOCATE, allocateBody(0, 0, 512)],
      [SETATTR, truncateBody(1000)],
    ] as const) {
      const bench = new Bench({ contents: [HOST], config, mode });
      bench.send(opcode, DISK, body);
      bench.send(FSYNC, DISK, new Uint8Array(16));
      bench.step('flush');
      t.false(bench.disks[0]!.image.dirty);
      bench.run();
      t.true(bench.disks[0]!.image.dirty, `${opcode}`);
    }
  }
});
