import {
  closeSync,
  fstatSync,
  ftruncateSync,
  mkdtempSync,
  openSync,
  readSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import {
  copyPacked,
  HOLE_BYTES,
  isFar,
  NEAR_BYTES,
  packedSize,
  readPacked,
  writePacked,
} from '../../../tools/vopr/far-files.js';
import { TMPFS } from '../../helpers/temp.js';

const FAR_AT = HOLE_BYTES + NEAR_BYTES;

async function inFolder(t: ExecutionContext, use: (folder: string) => void): Promise<void> {
  const folder = mkdtempSync(join(TMPFS, 'sluice-far-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  use(folder);
}

function readBack(path: string): Buffer {
  const descriptor = openSync(path, 'r');
  try {
    return readPacked(descriptor, Buffer.alloc(packedSize(descriptor)));
  } finally {
    closeSync(descriptor);
  }
}

test('a far file is read, copied and written without its hole', async (t) => {
  await inFolder(t, (folder) => {
    const path = join(folder, 'far');
    const descriptor = openSync(path, 'w+');
    ftruncateSync(descriptor, FAR_AT + 4096);
    writeSync(descriptor, 'near', 100);
    writeSync(descriptor, 'far', FAR_AT + 1);
    t.true(isFar(descriptor));
    const bytes = readPacked(descriptor, Buffer.alloc(packedSize(descriptor)));
    closeSync(descriptor);
    t.is(bytes.length, NEAR_BYTES + 4096);
    t.is(bytes.toString('latin1', 100, 104), 'near');
    t.is(bytes.toString('latin1', NEAR_BYTES + 1, NEAR_BYTES + 4), 'far');

    const copy = join(folder, 'copy');
    copyPacked(path, copy, true);
    t.true(readBack(copy).equals(bytes));
    t.is(statSync(copy).size, FAR_AT + 4096);
    t.true(statSync(copy).blocks * 512 <= NEAR_BYTES + 65536);

    const shorter = bytes.subarray(0, NEAR_BYTES + 512);
    writePacked(copy, shorter, true);
    t.true(readBack(copy).equals(shorter));
  });
});

test('other files are whole, and those that are written over have nothing of before', async (t) => {
  await inFolder(t, (folder) => {
    const path = join(folder, 'near');
    writePacked(path, Buffer.alloc(8192, 1), false);
    writePacked(path, Buffer.alloc(512, 2), false);
    t.deepEqual(readBack(path), Buffer.alloc(512, 2));
    const descriptor = openSync(path, 'r');
    t.false(isFar(descriptor));
    t.is(fstatSync(descriptor).size, 512);
    t.is(readSync(descriptor, Buffer.alloc(1024), 0, 1024, 0), 512);
    closeSync(descriptor);
  });
});
