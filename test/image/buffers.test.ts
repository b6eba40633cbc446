import test from 'ava';
import { Buffers } from '../../src/image/buffers.js';
import { Mappings } from '../../src/image/mappings.js';
import { mapAnonymous, unmap } from '../../src/sys/memory.js';
import { EXIT_FAILED, SluiceError } from '../../src/util/errors.js';

/** A system with memory for this many mappings. */
function systemWith(left: number): Mappings {
  let rest = left;
  return new Mappings((length) => {
    if (rest-- > 0) return mapAnonymous(length);
    throw new SluiceError('no memory', 'ENOMEM', EXIT_FAILED);
  }, unmap);
}

test('where the system has no more memory, requests share the buffer that is there', (t) => {
  const mappings = systemWith(1);
  const resumed: number[] = [];
  const buffers = new Buffers(4096, (request) => resumed.push(request), mappings);
  const first = buffers.take(1).next();
  t.true(first.done);
  const second = buffers.take(2);
  t.false(second.next().done);
  t.deepEqual(resumed, []);
  buffers.release(first.value as never);
  t.deepEqual(resumed, [2]);
  t.is(second.next(0).value, first.value);
  mappings.release();
});

test('with memory eight requests have a buffer each, and the ninth waits', (t) => {
  const mappings = systemWith(100);
  const buffers = new Buffers(4096, () => {}, mappings);
  const places = Array.from({ length: 8 }, (_, request) => buffers.take(request).next());
  t.true(places.every(({ done }) => done));
  t.is(new Set(places.map(({ value }) => (value as { address: number }).address)).size, 8);
  t.false(buffers.take(8).next().done);
  mappings.release();
});

test('an image without memory for one buffer does not come', (t) => {
  t.throws(() => new Buffers(4096, () => {}, systemWith(0)), { message: 'no memory' });
});
