import test from 'ava';
import { SLOT_BYTES, SLOT_DATA } from '../../src/buffers/memory.js';
import { PENDING, type Task } from '../../src/host/engine.js';
import { DATA, type Extent, newExtent, ZERO } from '../../src/image/extent.js';
import { InPlaceWriter } from '../../src/image/in-place-writer.js';
import type { Layers } from '../../src/image/layers.js';
import { BlockHost, runTask } from '../helpers/block-host.js';
import { pattern } from '../helpers/temp.js';

const EIO = 5;
const EINVAL = 22;
const EOPNOTSUPP = 95;
const SOURCE = SLOT_BYTES + SLOT_DATA;
const PIECE = 4096;

/** A disk of two pieces of 4 KiB, the second one first in its file. */
function make(before: ((request: number) => Task) | null = null, alignment = 512) {
  const host = new BlockHost([pattern(PIECE, 1), pattern(PIECE, 2)], alignment);
  const top = {
    size: 2 * PIECE,
    map: (offset: number, length: number, extent: Extent) => {
      extent.kind = DATA;
      extent.file = offset < PIECE ? 1 : 0;
      extent.offset = offset % PIECE;
      extent.length = Math.min(length, PIECE - extent.offset);
    },
  };
  const writer = new InPlaceWriter({ alignment, top } as unknown as Layers, host.io, before);
  const content = () => Buffer.concat([host.files[1]!, host.files[0]!]);
  return { host, writer, content, top };
}

test('a range in one file is written in place, by the caller', (t) => {
  const { writer } = make();
  const extent = newExtent();
  t.true(writer.mapWrite(PIECE + 512, 1024, extent));
  t.like(extent, { kind: DATA, file: 0, offset: 512, length: 1024 });
  t.false(writer.mapWrite(PIECE - 512, 1024, extent));
  t.is(writer.lockUnit, 512);
});

test('any other write is made block by block, in all files', (t) => {
  const { host, writer, content } = make();
  const expected = content();
  const bytes = pattern(1000, 9);
  bytes.copy(expected, PIECE - 500);
  host.bytes.set(bytes, SOURCE);
  t.is(runTask(writer.write(0, PIECE - 500, 1000, SOURCE)), 1000);
  t.true(content().equals(expected));
});

for (const errno of [0, EOPNOTSUPP, EINVAL]) {
  test(`zeros: holes are made, or zeros are written where that fails with ${errno}`, (t) => {
    const { host, writer, content } = make();
    const expected = content().fill(0, 100, PIECE + 700);
    host.fault = (call) => (errno !== 0 && call.startsWith('allocate') ? -errno : null);
    t.is(runTask(writer.zero(0, 100, PIECE + 600)), 0);
    t.true(content().equals(expected));
  });
}

test('other errors of zeroing are told', (t) => {
  const { host, writer } = make();
  host.fault = (call) => (call.startsWith('allocate 0') ? -EIO : null);
  t.is(runTask(writer.zero(0, 0, 2 * PIECE)), -EIO);
});

test('the files that were written are synced, every time, and a loss is told once', (t) => {
  const { host, writer } = make();
  t.is(runTask(writer.flush(0)), 0);
  t.deepEqual(host.log, []);
  writer.mapWrite(0, 512, newExtent());
  t.is(runTask(writer.flush(0)), 0);
  // A write that was under way during that flush may have ended after it.
  t.is(runTask(writer.close(0)), 0);
  t.deepEqual(host.log, ['flush 1', 'flush 1']);
  runTask(writer.zero(0, PIECE, 512));
  host.fault = (call) => (call === 'flush 1' ? -EIO : null);
  t.is(runTask(writer.flush(0)), -EIO);
  t.is(host.log.at(-1), 'flush 0');
  t.is(writer.takeLoss(), EIO);
  t.is(writer.takeLoss(), 0);
});

test('what has to come before the first write is done once, and all writes wait for it', (t) => {
  let count = 0;
  const { host, writer } = make(function* (): Task {
    count++;
    return yield PENDING;
  });
  t.false(writer.mapWrite(0, 512, newExtent()));
  const first = writer.write(1, 0, 512, SOURCE);
  const second = writer.zero(2, 512, 512);
  t.is(first.next().value, PENDING);
  t.is(second.next().value, PENDING);
  t.deepEqual(host.log, []);
  // It fails: so does the first write, and the second one tries again.
  t.deepEqual(first.next(-EIO), { value: -EIO, done: true });
  t.deepEqual(host.resumed, [2]);
  t.is(second.next(0).value, PENDING);
  t.is(count, 2);
  t.false(writer.mapWrite(0, 512, newExtent()));
  t.is(second.next(0).done, false);
  t.true(writer.mapWrite(0, 512, newExtent()));
  t.is(runTask(writer.write(3, 0, 512, SOURCE)), 512);
  t.is(count, 2);
});

test('a place that is no data is not written in place', (t) => {
  const { writer, top } = make();
  top.map = (_offset, length, extent) => {
    extent.kind = ZERO;
    extent.length = length;
  };
  t.false(writer.mapWrite(0, 512, newExtent()));
});
