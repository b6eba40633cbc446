import { join } from 'node:path';
import test from 'ava';
import { claimMountpoint } from '../../src/fuse/mount-claim.js';
import { SluiceError } from '../../src/util/errors.js';
import { tempFolder } from '../helpers/temp.js';

test('a mount point is claimed once, until the claim is released', (t) => {
  const folder = tempFolder(t);
  const claim = claimMountpoint(folder);
  const error = t.throws(() => claimMountpoint(folder), { instanceOf: SluiceError });
  t.deepEqual([error.errno, error.message.startsWith(`${folder}: busy`)], ['EBUSY', true]);
  claimMountpoint(tempFolder(t)).release();
  claim.release();
  claimMountpoint(folder).release();
});

test('what is not there cannot be claimed', (t) => {
  const path = join(tempFolder(t), 'nowhere');
  t.is(t.throws(() => claimMountpoint(path), { instanceOf: SluiceError }).errno, 'ENOENT');
});
