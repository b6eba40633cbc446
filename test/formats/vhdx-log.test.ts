import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { mountTest } from '../helpers/requires.js';
import { sameBytes } from '../helpers/same-bytes.js';
import { withMount } from '../helpers/sluice-mount.js';
import { pattern, TMPFS, tempFolder } from '../helpers/temp.js';
import {
  BLOCK,
  entryOf,
  headerOf,
  LOG_ID,
  logEntryOf,
  MIB,
  makeVhdx,
} from '../image/vhdx/make-vhdx.js';

mountTest(
  'a VHDX image that was not closed is mounted with its log, and stays as it is',
  async (t) => {
    const folder = tempFolder(t, TMPFS);
    const path = join(folder, 'vm.vhdx');
    // In the file the table has no block. The log, whose entry goes over its end, has two.
    const page = Buffer.alloc(4096);
    page.writeBigUInt64LE(entryOf(6, 5), 0);
    page.writeBigUInt64LE(entryOf(6, 4), 16);
    const at = MIB - 4096;
    const entry = logEntryOf({ sequence: 3n, tail: at, changes: [[3 * MIB, page]] });
    const image = makeVhdx({
      headers: [headerOf({ logId: LOG_ID }), null],
      data: [
        [MIB + at, entry.subarray(0, 4096)],
        [MIB, entry.subarray(4096)],
        [4 * MIB, pattern(BLOCK, 1)],
        [5 * MIB, pattern(BLOCK, 2)],
      ],
    });
    writeFileSync(path, image);
    const whole = Buffer.concat([pattern(BLOCK, 2), Buffer.alloc(BLOCK), pattern(BLOCK, 1)]);
    await withMount(t, [path], ['--read-only'], async (mount) => {
      sameBytes(t, readFileSync(mount.file('vm')), whole);
    });
    await withMount(t, [path], ['--overlay', join(folder, 'over.qcow2')], async (mount) => {
      sameBytes(t, readFileSync(mount.file('vm')), whole);
    });
    sameBytes(t, readFileSync(path), image);
  },
);
