import { closeSync, ftruncateSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { LocalFile } from '../../../src/host/local-file.js';
import { BROKEN_TABLE, NO_TABLE, readDirectory } from '../../../src/image/vmdk/grain-directory.js';
import type { SparseLayout } from '../../../src/image/vmdk/sparse-header.js';
import { TMPFS, tempFolder } from '../../helpers/temp.js';

const GRAIN = 65536;
const LAYOUT: SparseLayout = {
  ...{ type: 'hosted', capacity: 512 * GRAIN * 6, grainBytes: GRAIN },
  ...{ entriesPerTable: 512, entryBytes: 4, directory: 512, zeroGrains: true, compressedAt: null },
  ...{ tables: 0, grains: 0, descriptor: { offset: 0, length: 0 }, version: 1, unclean: false },
};

for (const base of [TMPFS, '/var/tmp']) {
  test(`tables in holes of the file are none: ${base}`, (t) => {
    const path = join(tempFolder(t, base), 'a.vmdk');
    const file = openSync(path, 'w');
    // Tables at 64 KiB and 66 KiB, which share a block, in a hole at 1 MiB, none, past the end, at the end.
    const sectors = [128, 132, 2048, 0, 8192, 4094];
    const directory = Buffer.alloc(24);
    for (const [index, sector] of sectors.entries()) directory.writeUInt32LE(sector, index * 4);
    writeSync(file, directory, 0, 24, 512);
    writeSync(file, Buffer.alloc(4, 1), 0, 4, 128 * 512);
    ftruncateSync(file, 4098 * 512);
    closeSync(file);
    const opened = new LocalFile(path);
    t.teardown(() => opened.close());
    const expected = [128, 132, NO_TABLE, NO_TABLE, BROKEN_TABLE, NO_TABLE];
    t.deepEqual([...readDirectory(opened, LAYOUT)], expected);
  });
}
