import test from 'ava';
import { asFileError, fileError, forFile } from '../../src/host/file-errors.js';
import { EXIT_FAILED, EXIT_IMAGE, SluiceError } from '../../src/util/errors.js';

test('a failed call for an open file names the file, what cannot be done, and the errno', (t) => {
  const call = () => {
    throw Object.assign(new Error('EIO: i/o error, fsync'), { code: 'EIO' });
  };
  const error = t.throws(() => forFile('/a/web.img', 'flushed', call), { instanceOf: SluiceError });
  t.is(error.message, '/a/web.img: cannot be flushed (EIO)');
  t.is(error.errno, 'EIO');
  t.is(error.exitCode, EXIT_FAILED);
  t.is(
    forFile('/a/web.img', 'read', () => 7),
    7,
  );
});

test('a file in use is an image that is refused', (t) => {
  const error = fileError('/a/web.img', 'write', 'EBUSY');
  t.is(error.message, '/a/web.img: in use by somebody else');
  t.is(error.exitCode, EXIT_IMAGE);
  t.is(
    asFileError('/a/web.img', 'make', { code: 'ENOSPC' }).message,
    '/a/web.img: cannot be made: no space is left there',
  );
});
