import { closeSync, openSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { SyncWriter } from '../../src/host/sync-writer.js';
import { mapAnonymous, unmap } from '../../src/sys/memory.js';
import { TMPFS, tempFolder } from '../helpers/temp.js';

const EBADF = 9;
const PUNCH = 0x02 | 0x01;
const SEEK_DATA = 3;

test('what is written is in the file; errors are numbers', (t) => {
  const path = join(tempFolder(t, TMPFS), 'file');
  writeFileSync(path, Buffer.alloc(8192, 1));
  const descriptor = openSync(path, 'r+');
  const memory = mapAnonymous(4096);
  t.teardown(() => unmap(memory));
  const bytes = new Uint8Array(memory.buffer);
  const engine = new SyncWriter();
  const file = engine.add({ descriptor, inMemory: false });
  bytes.fill(7);
  t.is(engine.write(0, file, memory.address, 4096, 4096), 4096);
  t.is(engine.read(0, file, memory.address, 4096, 0), 4096);
  t.is(bytes[0], 1);
  t.is(engine.allocate(0, file, PUNCH, 0, 4096), 0);
  t.is(engine.seek(0, file, 0, SEEK_DATA), 4096);
  t.is(engine.resize(0, file, 12288), 0);
  t.is(engine.flush(0, file, false), 0);
  t.is(engine.flush(0, file, true), 0);
  t.true(readFileSync(path).equals(Buffer.alloc(12288).fill(7, 4096, 8192)));
  t.is(statSync(path).blocks * 512, 4096);
  closeSync(descriptor);
  t.is(engine.write(0, file, memory.address, 1, 0), -EBADF);
  t.is(engine.flush(0, file, true), -EBADF);
  t.is(engine.resize(0, file, 1), -EBADF);
  engine.remove(file);
});
