import test from 'ava';
import { HostErrors } from '../../src/plane/host-errors.js';

test('the first error of a kind is told at once, then a count a minute', (t) => {
  const lines: string[] = [];
  const errors = new HostErrors((text) => lines.push(text));
  errors.add('web', 'WRITE', 4096, -28, 0);
  for (let i = 1; i <= 1000; i++) errors.add('web', 'WRITE', i, -28, i);
  errors.add('web', 'READ', 0, -5, 5);
  errors.add('web', 'FSYNC', -1, -5, 5);
  errors.add('web', 'READ', 0, -6, 5); // ENXIO: an answer, not a fault
  t.is(errors.tellAtNs, 60e9);
  errors.tell(59e9);
  errors.add('web', 'WRITE', 8192, -28, 59e9);
  errors.tell(60e9);
  t.is(errors.tellAtNs, Infinity);
  // The errors have stopped. The last ones are still reported, at the latest when the mount ends.
  errors.add('web', 'WRITE', 0, -28, 61e9);
  t.is(errors.tellAtNs, 120e9);
  errors.tell(Infinity);
  t.deepEqual(lines, [
    'web: WRITE: no space is left there (ENOSPC), at byte 4096',
    'web: READ: an I/O error of the disk, or a broken image (EIO), at byte 0',
    'web: FSYNC: an I/O error of the disk, or a broken image (EIO)',
    'web: WRITE: no space is left there (ENOSPC): 1001 more times, the last at byte 8192',
    'web: WRITE: no space is left there (ENOSPC): 1 more times, the last at byte 0',
  ]);
});
