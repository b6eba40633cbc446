import test from 'ava';
import {
  FALLOC_KEEP_SIZE,
  FALLOC_PUNCH_HOLE,
  SEEK_DATA,
  SEEK_HOLE,
} from '../../src/sys/constants.js';
import { Dice, EIO } from '../helpers/nbd-model.js';
import { AGREED, Rig, SIZE, SLOT } from '../helpers/nbd-rig.js';

test('an error of the server is the error of its request alone', (t) => {
  const rig = new Rig(new Dice(3), AGREED);
  rig.server.errorPercent = 100;
  t.is(rig.write(0, 100, 7), -EIO);
  rig.server.errorPercent = 0;
  t.is(rig.write(100, 100, 8), 100);
  t.is(rig.why.length, 0);
  // What failed is not sent again.
  rig.server.crash();
  t.deepEqual(rig.read(99, 2), [2, 0, 8]);
});

test('the log is flushed before it is full: 64 MiB take more than one gigabyte of writes', (t) => {
  const rig = new Rig(new Dice(4), { ...AGREED, size: 1 << 20 });
  for (let i = 0; i < 1100; i++) t.is(rig.write(0, SLOT, i & 255), SLOT);
  rig.server.crash();
  t.deepEqual(rig.read(0, 1), [1, 1099 & 255]);
  t.true(rig.server.writes < 2200);
});

test('the end of an export is the end of reads and writes', (t) => {
  const rig = new Rig(new Dice(5), AGREED);
  t.is(rig.write(SIZE - 3, 10, 9), 3);
  t.is(rig.write(SIZE, 1, 9), -28);
  t.deepEqual(rig.read(SIZE - 2, 10), [2, 9, 9]);
  t.deepEqual(rig.read(SIZE, 10), [0]);
  const { engine } = rig;
  t.is(engine.resize(), -1);
  t.is(engine.setTimes(), -1);
  // Nothing but zeroes can be asked for.
  t.is(engine.allocate(0, 0, 0, 0, 4096), -95);
});

test('zeros of parts of blocks, which a server refuses, are not asked for', (t) => {
  const rig = new Rig(new Dice(9), { ...AGREED, minimumBlock: 512 });
  const zero = (offset: number, length: number): number =>
    rig.wait(0, rig.engine.allocate(0, 0, FALLOC_PUNCH_HOLE | FALLOC_KEEP_SIZE, offset, length));
  t.is(rig.write(0, 2048, 7), 2048);
  t.is(zero(100, 512), -95);
  t.is(zero(512, 100), -95);
  t.is(zero(512, 512), 0);
  t.deepEqual(rig.read(511, 2), [2, 7, 0]);
  // Up to the end of the export.
  t.is(zero(SIZE - 512, 4096), 0);
});

test('holes are found by block status, piece by piece', (t) => {
  for (const extended of [false, true]) {
    const rig = new Rig(new Dice(6), { ...AGREED, extended });
    rig.write(8192, 512, 1);
    rig.write(100_000, 5000, 1);
    const seek = (offset: number, whence: number): number =>
      rig.wait(0, rig.engine.seek(0, 0, offset, whence));
    t.is(seek(0, SEEK_DATA), 8192);
    t.is(seek(8200, SEEK_DATA), 8200);
    t.is(seek(8192, SEEK_HOLE), 8704);
    t.is(seek(0, SEEK_HOLE), 0);
    t.is(seek(8704, SEEK_DATA), 99_840);
    t.is(seek(99_840, SEEK_HOLE), 105_472);
    t.is(seek(105_472, SEEK_DATA), -6);
    t.is(seek(SIZE, SEEK_HOLE), -6);
  }
  const blind = new Rig(new Dice(6), { ...AGREED, tellsHoles: false });
  t.is(blind.engine.seek(0, 0, 77, SEEK_DATA), 77);
  t.is(blind.engine.seek(0, 0, 77, SEEK_HOLE), SIZE);
});

test('the time of the last write is that of the write', (t) => {
  const rig = new Rig(new Dice(7), AGREED);
  const status = { allocated: 0, size: 0, times: null as never };
  t.is(rig.engine.status(0, 0, status), 0);
  const { accessed, modified } = status.times as { accessed: object; modified: object };
  t.deepEqual(accessed, modified);
  t.is(status.size, SIZE);
});

test('an export that goes gives its place to the next one, a hundred times', (t) => {
  const rig = new Rig(new Dice(8), AGREED, 2);
  const nbd = rig.nbd;
  for (let round = 0; round < 100; round++) {
    t.is(rig.write(0, 100, round), 100);
    t.deepEqual(rig.read(99, 2), [2, round, 0]);
    rig.engine.remove(0);
    for (const wire of rig.wires.splice(0)) while (rig.server.wires.has(wire)) wire.step();
    t.is(rig.engine.underWay, 0);
    t.is(rig.engine.add({ descriptor: -1, inMemory: false, nbd }), 0);
  }
  t.is(rig.leaves, 0);
});

test('connections to an export that has gone are closed', (t) => {
  const rig = new Rig(new Dice(9), AGREED);
  rig.write(0, 100, 1);
  rig.server.crash();
  for (let steps = 0; !rig.wanted && steps < 1000; steps++) rig.step();
  t.true(rig.wanted);
  rig.engine.remove(0);
  t.is(rig.leaves, 1);
  const { length } = rig.wires;
  const news = { id: 1, descriptors: [-1], agreed: AGREED };
  rig.engine.told({ kind: 'nbd-connected', ...news });
  rig.engine.told({ kind: 'nbd-failed', id: 1 });
  t.is(rig.wires.length, length);
});
