import { closeSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import test from 'ava';
import { SnapshotFile } from '../../src/plane/snapshot-file.js';
import { tempFolder } from '../helpers/temp.js';

const HEAD_BYTES = 8;

function memory(t: ExecutionContext): number {
  const descriptor = openSync(join(tempFolder(t), 'memory'), 'w+');
  t.teardown(() => closeSync(descriptor));
  return descriptor;
}

test('the last value is read, also by others', (t) => {
  const descriptor = memory(t);
  const file = new SnapshotFile(descriptor);
  t.is(file.read(), null);
  const values = [
    { limit: Infinity },
    { bytes: Uint8Array.of(1, 2) },
    { long: 'x'.repeat(9999) },
    4,
  ];
  for (const value of values) {
    file.write(value);
    t.deepEqual(file.read(), value);
    t.deepEqual(new SnapshotFile(descriptor).read(), value);
  }
  new SnapshotFile(descriptor).write('of another process');
  t.is(new SnapshotFile(descriptor).read(), 'of another process');
});

test('a value of which a part has been written does not count', (t) => {
  const descriptor = memory(t);
  const file = new SnapshotFile(descriptor);
  for (const value of ['first', 'second', 'third']) file.write(value);
  // The fourth one begins to be written over the second one.
  writeSync(descriptor, Buffer.alloc(99, 7), 0, 99, HEAD_BYTES);
  t.is(new SnapshotFile(descriptor).read(), 'third');
  writeSync(descriptor, Uint32Array.of(4, 99), 0, HEAD_BYTES, 0);
  t.throws(() => new SnapshotFile(descriptor).read(), undefined, 'the head is what counts');
});
