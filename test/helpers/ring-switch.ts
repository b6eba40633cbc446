import { openSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RING_PARAMETER, ringSwitch } from '../../src/fuse/ring-support.js';
import { isLocked, lockByteShared, unlockAll } from '../../src/sys/ofd-locks.js';

/**
 * FUSE over io_uring is turned on for the whole machine. So root turns it on for the time of a test
 * run. Several runs may overlap: each holds a shared lock on a file that says how it was
 * before the first of them, and the last one restores it.
 */
const STATE = join(tmpdir(), 'sluice-test-fuse-uring');

export function switchRingOn(): void {
  const found = ringSwitch();
  if (found === null || process.getuid?.() !== 0) return;
  const lock = openSync(STATE, 'a+');
  if (!isLocked(lock, 0, 1)) writeFileSync(STATE, found);
  lockByteShared(lock, 0);
  writeFileSync(RING_PARAMETER, 'Y');
  process.once('exit', () => {
    unlockAll(lock);
    if (isLocked(lock, 0, 1) || readFileSync(STATE, 'utf8') !== 'off') return;
    writeFileSync(RING_PARAMETER, 'N');
  });
}
