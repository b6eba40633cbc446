import test from 'ava';
import { deviceError, pointError, unmountError } from '../../src/fuse/mount-errors.js';
import { EXIT_MOUNT } from '../../src/util/errors.js';

const EBUSY = 16;

test('an error names the place, says what to do, and has the errno and the exit code', (t) => {
  const error = pointError('/mnt', 'ENOENT');
  t.is(error.message, '/mnt: the mount point does not exist; make it with mkdir');
  t.deepEqual([error.errno, error.exitCode], ['ENOENT', EXIT_MOUNT]);
  t.regex(deviceError('ENOENT').message, /^\/dev\/fuse: missing; .*--device \/dev\/fuse$/);
  t.regex(unmountError('/mnt', -EBUSY).message, /^\/mnt: in use; /);
});

test('an errno without a sentence is told by its name', (t) => {
  t.is(pointError('/mnt', 'EUCLEAN').message, '/mnt: cannot be mounted: EUCLEAN');
  t.is(deviceError('EUCLEAN').message, '/dev/fuse: cannot be opened: EUCLEAN');
  t.is(unmountError('/mnt', -12).message, '/mnt: cannot be unmounted: ENOMEM');
});
