import test from 'ava';
import {
  bufferAddress,
  hasKnownLayout,
  localsMemory,
  prepareReply,
} from '../../src/fuse/native-locals.js';

const LOCALS_BYTES = 360;

test('pieces have addresses in a row, in cache lines of their own, and are zeroed', (t) => {
  let taken = 0;
  const take = localsMemory(() => void taken++);
  const pieces = Array.from({ length: 300 }, () => take(LOCALS_BYTES)) as (Buffer & {
    address: number;
  })[];
  t.is(taken, 300);
  t.is(new Set(pieces.map(({ address }) => address)).size, 300);
  for (const piece of pieces) {
    t.is(piece.address % 64, 0);
    t.deepEqual(piece, Object.assign(Buffer.alloc(LOCALS_BYTES), { address: piece.address }));
  }
  t.is(pieces[1]!.address - pieces[0]!.address, 384);
});

test('locals of another length, or that disagree with the arguments, are not known', (t) => {
  const take = localsMemory(() => {});
  const thread = take(LOCALS_BYTES) as never as Parameters<typeof hasKnownLayout>[0];
  thread.writeBigUInt64LE(2n ** 40n + 512n, 64);
  thread.writeUInt32LE(4096, 72);
  t.true(hasKnownLayout(thread, 4096, 2 ** 40 + 512));
  t.false(hasKnownLayout(thread, 4095, 2 ** 40 + 512));
  t.false(hasKnownLayout(thread, 4096, 512));
  t.false(hasKnownLayout(take(LOCALS_BYTES + 8) as never, 0, 0));
});

test('a reply leaves the result, and names the semaphore; the buffer is where the thread says', (t) => {
  const thread = localsMemory(() => {})(LOCALS_BYTES) as never as Parameters<
    typeof prepareReply
  >[0];
  thread.writeBigUInt64LE(0x7f00_1234_5678n, 56);
  t.is(bufferAddress(thread), 0x7f00_1234_5678);
  t.is(prepareReply(thread, -5), thread.address + 200);
  t.is(thread.readInt32LE(120), -5);
});
