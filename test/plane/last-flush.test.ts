import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import type { FlushIo } from '../../src/image/qcow2/metadata-flush.js';
import type { Disk } from '../../src/plane/disk.js';
import { FlushLosses } from '../../src/plane/flush-losses.js';
import { flushAtEnd, flushInPool } from '../../src/plane/last-flush.js';
import { mapAnonymous } from '../../src/sys/memory.js';
import { ERRNO } from '../../src/util/errno.js';
import { sparseFile, tempFolder } from '../helpers/temp.js';

const WAYS = { flushAtEnd, flushInPool };
const memory = mapAnonymous(4096);
const bytes = new Uint8Array(memory.buffer);

/** Writes 7, reads it back, and adds the result of each call to `results`. */
function steps(results: number[]) {
  return function* (io: FlushIo): Generator<number, number, number> {
    bytes.fill(7, 0, 512);
    results.push(yield io.grow(8192), yield io.grow(4096));
    results.push(yield io.write(memory.address, 512, 1024));
    results.push(yield io.sync(), yield io.syncData());
    results.push(yield io.read(memory.address + 512, 512, 1024));
    return results.find((result) => result < 0) ?? 0;
  };
}

function makeDisk(own: Partial<Disk>, descriptor: number): Disk {
  const config = { name: 'disk', descriptor, chain: null };
  return { config, chain: null, dirty: false, losses: new FlushLosses(), ...own } as never;
}

function openImage(t: ExecutionContext): { path: string; descriptor: number } {
  const path = sparseFile(join(tempFolder(t), 'disk.img'), 2048);
  const descriptor = openSync(path, 'r+');
  t.teardown(() => closeSync(descriptor));
  return { path, descriptor };
}

for (const [name, flush] of Object.entries(WAYS)) {
  test(`${name}: each step goes on with the result of its call`, async (t) => {
    const { path, descriptor } = openImage(t);
    const results: number[] = [];
    const chain = { writes: { lastFlush: steps(results), takeLoss: () => 0 } } as never;
    t.deepEqual(await flush([makeDisk({ chain, dirty: true }, descriptor)]), []);
    t.deepEqual(results, [0, 0, 512, 0, 0, 512]);
    t.deepEqual([...bytes.subarray(512, 1024)], Array(512).fill(7));
    const written = readFileSync(path);
    t.is(written.length, 8192, 'it was made longer, and then not shorter');
    t.true(written.subarray(1024, 1536).every((byte) => byte === 7));
  });

  test(`${name}: a failure of one disk is told, and the others are flushed`, async (t) => {
    const { descriptor } = openImage(t);
    const results: number[] = [];
    const chain = { writes: { lastFlush: steps(results), takeLoss: () => 0 } } as never;
    const lost = new FlushLosses();
    lost.add(ERRNO.ENOSPC, 1, 1);
    const closed = 1_000_000;
    const disks = [
      makeDisk({ dirty: true }, closed),
      makeDisk({ chain }, closed),
      makeDisk({ losses: lost }, descriptor),
      makeDisk({ dirty: false }, closed),
      makeDisk({ dirty: true }, descriptor),
    ];
    const errnos = (await flush(disks)).map(({ errno }) => errno);
    t.deepEqual(errnos, [ERRNO.EBADF, ERRNO.EBADF, ERRNO.ENOSPC]);
    t.true(results.every((result) => result === -ERRNO.EBADF || result === 0));
  });
}
