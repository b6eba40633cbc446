import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { checkQcow, onlyEndsEarly } from '../../../tools/vopr/qcow-check.js';
import { qemuTest } from '../../formats/needs.js';

/** Refcounts of 16 bits: those of the first clusters begin where the first block lies. */
function firstRefcount(image: Buffer): number {
  return Number(image.readBigUInt64BE(Number(image.readBigUInt64BE(48))));
}

qemuTest('an image of qemu-img has neither leaks nor clusters that nobody counts', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-check-'));
  try {
    const path = join(folder, 'image');
    execFileSync('qemu-img', ['create', '-q', '-f', 'qcow2', '-o', 'cluster_size=4k', path, '1M']);
    execFileSync('qemu-io', ['-c', 'write 0 100k', path]);
    execFileSync('qemu-img', ['snapshot', '-c', 'one', path]);
    execFileSync('qemu-io', ['-c', 'write 50k 100k', path]);
    const image = readFileSync(path);
    t.deepEqual(checkQcow(image), { leaks: 0, broken: null });
    const third = firstRefcount(image) + 3 * 2;
    const count = image.readUInt16BE(third);
    image.writeUInt16BE(count + 1, third);
    t.deepEqual(checkQcow(image), { leaks: 1, broken: null });
    image.writeUInt16BE(count - 1, third);
    t.deepEqual(checkQcow(image), { leaks: 0, broken: 3 * 4096 });
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('clusters behind the end of a file are told from other faults', (t) => {
  const early =
    'ERROR: counting reference for region exceeding the end of the file by one cluster or more: offset 0x6a000 size 0x200\n';
  const leaked = 'Leaked cluster 848 refcount=1 reference=0\n';
  const other = 'ERROR cluster 8 refcount=0 reference=1\n';
  t.true(onlyEndsEarly(early + leaked + early));
  for (const text of ['', leaked, early + other]) t.false(onlyEndsEarly(text));
});
