import test from 'ava';
import { SLOT_BYTES, SLOT_DATA } from '../../src/buffers/memory.js';
import { UnalignedWrites } from '../../src/image/unaligned-writes.js';
import { BlockHost, runTask } from '../helpers/block-host.js';
import { pattern } from '../helpers/temp.js';

const EIO = 5;
const SOURCE = SLOT_BYTES + SLOT_DATA;
const SIZE = 8192;

/** Two files of which the first has the bytes below `border`, the second the others from 4096 on. */
function make(alignment: number, border = 4096) {
  const host = new BlockHost([pattern(border, 1), pattern(4096 + SIZE - border, 2)], alignment);
  const blocks = new UnalignedWrites(host.io, alignment, (offset, length, extent) => {
    extent.file = offset < border ? 0 : 1;
    extent.offset = offset < border ? offset : offset - border + 4096;
    extent.length = offset < border ? Math.min(length, border - offset) : length;
  });
  const content = () => Buffer.concat([host.files[0]!, host.files[1]!.subarray(4096)]);
  const write = (offset: number, bytes: Uint8Array, end = SIZE, source = SOURCE) => {
    host.bytes.set(bytes, source);
    return runTask(blocks.write(0, offset, bytes.length, source, end));
  };
  return { host, blocks, content, write };
}

for (const alignment of [1, 512, 4096]) {
  for (const [offset, length] of [
    [0, 8192],
    [4096, 4096],
    [512, 512],
    [1, 1],
    [511, 2],
    [4095, 2],
    [100, 8000],
    [8191, 1],
  ] as const) {
    test(`blocks of ${alignment}: ${length} bytes at ${offset} change nothing else`, (t) => {
      const { content, write } = make(alignment);
      const expected = content();
      const bytes = pattern(length, 77);
      // From a slot of another request, and from the request's own.
      for (const source of [SOURCE, SLOT_DATA]) {
        bytes.copy(expected, offset);
        t.is(write(offset, bytes, SIZE, source), length);
        t.true(content().equals(expected));
        bytes.reverse();
      }
    });
  }
}

test('whole blocks are written as they are, without a read', (t) => {
  const { host, write } = make(512);
  write(512, pattern(4096, 3));
  t.deepEqual(host.log, ['write 0 512+3584', 'write 1 4096+512']);
});

test('where nothing is, an edge is zeros and is not read', (t) => {
  const { host, content, write } = make(512);
  t.is(write(7168 + 100, Buffer.alloc(10, 9), 7168), 10);
  t.deepEqual(host.log, ['write 1 7168+512']);
  t.true(
    content()
      .subarray(7168, 7268)
      .every((byte) => byte === 0),
  );
});

test('an error is an error, and what was written before counts', (t) => {
  const { host, write } = make(512);
  host.fault = (call) => (call.startsWith('read') ? -EIO : null);
  t.is(write(1, Buffer.alloc(1)), -EIO);
  t.is(write(511, Buffer.alloc(2)), -EIO);
  host.fault = (call) => (call.startsWith('write 1') ? -EIO : null);
  t.is(write(5000, Buffer.alloc(100)), -EIO);
  t.is(write(4000, Buffer.alloc(200)), 96);
  host.fault = (call) => (call.startsWith('write') ? 0 : null);
  t.is(write(0, Buffer.alloc(512)), -EIO);
});

test('zeros are written piece by piece', (t) => {
  const { host, blocks, content } = make(512);
  const expected = content().fill(0, 100, 7000);
  t.is(runTask(blocks.writeZeros(0, 100, 6900, SIZE)), 0);
  t.true(content().equals(expected));
  host.fault = () => -EIO;
  t.is(runTask(blocks.writeZeros(0, 0, 512, SIZE)), -EIO);
});
