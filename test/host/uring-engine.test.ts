import { closeSync, fstatSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { PENDING } from '../../src/host/engine.js';
import { NO_TIMES } from '../../src/host/host-times.js';
import { type SlowCall, UringEngine } from '../../src/host/uring-engine.js';
import { mapAnonymous } from '../../src/sys/memory.js';
import { OP_READ, SQE_FIXED_FILE } from '../../src/uring/abi.js';
import { Ring } from '../../src/uring/ring.js';
import { requires } from '../helpers/requires.js';
import { pattern, tempFolder } from '../helpers/temp.js';

const EBADF = 9;
/** The user data TAG_IO of request 5. */
const TAG = 0x03000005;
const CONTENT = pattern(200_000, 5);

const engineTest = requires('io_uring');

/** An engine over one file, whose handle is 0. */
function rig(t: ExecutionContext, inMemory: boolean) {
  const path = join(tempFolder(t), 'file');
  writeFileSync(path, CONTENT);
  const descriptor = openSync(path, 'r+');
  t.teardown(() => closeSync(descriptor));
  const ring = new Ring(8);
  const { address, buffer } = mapAnonymous(1 << 20);
  const slow: SlowCall[] = [];
  const engine = new UringEngine(ring, (call) => slow.push(call));
  t.is(engine.add({ descriptor, inMemory }), 0);
  return { ring, engine, address, bytes: new Uint8Array(buffer), path, descriptor, slow };
}

test('a host that tells nothing of an open file, as NFS may, is an error of the request', (t) => {
  const engine = new UringEngine({ addFile: () => 0 } as never, () => {});
  // Nobody has this descriptor.
  const file = engine.add({ descriptor: 1 << 20, inMemory: true });
  const status = { allocated: 7, times: NO_TIMES, size: 7 };
  t.is(engine.status(5, file, status), -EBADF);
  t.is(status.size, 7);
});

/** The next completion. Waits again if a signal ends the wait early. */
function completion(ring: Ring): [number, number] {
  for (let turn = 0; !ring.peek(); turn++) {
    if (turn === 1000) throw new Error('no completion');
    ring.submitAndWait(1e9);
  }
  ring.advance();
  return [ring.completedTag, ring.completedResult];
}

engineTest(
  'a read and a write of a file on a disk are pending and complete with their counts',
  (t) => {
    const { ring, engine, address, bytes, path } = rig(t, false);
    t.is(engine.read(5, 0, address, 4096, 100, false), PENDING);
    t.deepEqual(completion(ring), [TAG, 4096]);
    t.is(Buffer.compare(bytes.subarray(0, 4096), CONTENT.subarray(100, 4196)), 0);
    t.is(engine.write(5, 0, address, 3, 0, false), PENDING);
    t.deepEqual(completion(ring), [TAG, 3]);
    t.deepEqual(readFileSync(path).subarray(0, 3), CONTENT.subarray(100, 103));
  },
);

engineTest(
  'a file in memory is read and written at once up to 64 KiB, beyond that by the ring',
  (t) => {
    const { ring, engine, address, bytes, path } = rig(t, true);
    t.is(engine.read(5, 0, address, 65536, 1, false), 65536);
    t.is(Buffer.compare(bytes.subarray(0, 65536), CONTENT.subarray(1, 65537)), 0);
    t.is(engine.read(5, 0, address, 4096, 199_990, false), 10);
    t.is(engine.read(5, 0, address, 4096, 200_000, false), 0);
    t.is(engine.write(5, 0, address, 2, 199_999, false), 2);
    t.is(readFileSync(path).length, 200_001);
    t.is(ring.queued, 0);
    t.is(engine.read(5, 0, address, 65537, 0, false), PENDING);
    t.deepEqual(completion(ring), [TAG, 65537]);
  },
);

engineTest('errors of a transfer that is done at once are -errno', (t) => {
  const { engine, path } = rig(t, true);
  const descriptor = openSync(path, 'r+');
  const file = engine.add({ descriptor, inMemory: true });
  closeSync(descriptor);
  t.is(engine.read(5, file, 0, 1, 0, false), -EBADF);
  t.is(engine.write(5, file, 0, 1, 0, false), -EBADF);
});

engineTest('what can be linked: all of a file on a disk, of one in memory what is long', (t) => {
  t.true(rig(t, false).engine.links(0, 1));
  const { engine } = rig(t, true);
  t.false(engine.links(0, 65536));
  t.true(engine.links(0, 65537));
});

engineTest('a linked transfer completes through what is queued behind it', (t) => {
  const { ring, engine, address } = rig(t, false);
  t.is(engine.read(5, 0, address, 4096, 0, true), PENDING);
  ring.queue(OP_READ, SQE_FIXED_FILE, 0, address, 1, 0, 0, 77);
  t.deepEqual(completion(ring), [77, 1]);
  t.is(engine.read(5, 0, address, 4096, 199_000, true), PENDING);
  ring.queue(OP_READ, SQE_FIXED_FILE, 0, address, 1, 0, 0, 77);
  t.deepEqual(completion(ring), [TAG, 1000]);
  t.false(ring.peek());
  ring.submitAndWait(20e6);
  t.false(ring.peek());
});

engineTest('a linked transfer at the end of the queue takes its reply along', (t) => {
  const { ring, engine, address } = rig(t, false);
  for (let i = 0; i < 7; i++) engine.flush(i, 0, true);
  engine.read(5, 0, address, 4096, 0, true);
  t.is(ring.queued, 1);
});

engineTest('flushes complete with 0', (t) => {
  const { ring, engine } = rig(t, false);
  t.is(engine.flush(5, 0, false), PENDING);
  t.deepEqual(completion(ring), [TAG, 0]);
  t.is(engine.flush(5, 0, true), PENDING);
  t.deepEqual(completion(ring), [TAG, 0]);
});

engineTest('allocation takes mode, offset and length, also above 2^32', (t) => {
  const { ring, engine, path, descriptor } = rig(t, false);
  t.is(engine.allocate(5, 0, 3, 4096, 8192), PENDING); // PUNCH_HOLE | KEEP_SIZE
  t.deepEqual(completion(ring), [TAG, 0]);
  const expected = Buffer.from(CONTENT);
  expected.fill(0, 4096, 12288);
  t.is(Buffer.compare(readFileSync(path), expected), 0);
  // Zero a range that ends beyond 8 GiB: unwritten extents take hardly any room.
  t.is(engine.allocate(5, 0, 3, 2 ** 33, 2 ** 33), PENDING);
  t.deepEqual(completion(ring), [TAG, 0]);
  t.is(fstatSync(descriptor).size, 200_000);
});

engineTest('searches and truncations are handed over with the descriptor', (t) => {
  const { engine, slow, descriptor } = rig(t, false);
  t.is(engine.seek(5, 0, 2 ** 40, 4), PENDING);
  t.is(engine.resize(6, 0, 2 ** 41), PENDING);
  t.deepEqual(slow, [
    { kind: 'call', call: 'lseek', request: 5, descriptor, offset: 2 ** 40, whence: 4 },
    { kind: 'call', call: 'ftruncate', request: 6, descriptor, size: 2 ** 41 },
  ]);
});

engineTest('files come and go while the ring runs', (t) => {
  const { ring, engine, address, bytes, path } = rig(t, false);
  const other = join(tempFolder(t), 'other');
  writeFileSync(other, 'other file');
  for (let round = 0; round < 3; round++) {
    const descriptor = openSync(other, 'r');
    const file = engine.add({ descriptor, inMemory: false });
    t.is(file, 1);
    t.is(engine.read(5, file, address, 4096, 0, false), PENDING);
    t.deepEqual(completion(ring), [TAG, 10]);
    t.is(Buffer.from(bytes.subarray(0, 10)).toString(), 'other file');
    engine.remove(file);
    closeSync(descriptor);
    t.is(engine.read(5, 0, address, 4, 0, false), PENDING);
    t.deepEqual(completion(ring), [TAG, 4]);
    t.deepEqual(Buffer.from(bytes.subarray(0, 4)), readFileSync(path).subarray(0, 4));
  }
});

engineTest('when all files are removed, the ring keeps none of them', (t) => {
  const { ring, engine, address } = rig(t, false);
  engine.removeAll();
  ring.queue(OP_READ, SQE_FIXED_FILE, 0, address, 4, 0, 0, TAG);
  t.deepEqual(completion(ring), [TAG, -EBADF]);
});
