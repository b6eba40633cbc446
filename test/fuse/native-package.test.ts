import { join } from 'node:path';
import test from 'ava';
import { loadNative } from '../../src/fuse/native-package.js';
import { EXIT_MOUNT, SluiceError } from '../../src/util/errors.js';
import { tempFolder } from '../helpers/temp.js';

test('a package that is missing is an error that says how to install it', async (t) => {
  const load = loadNative(join(tempFolder(t), 'fuse-native'));
  const error = await t.throwsAsync(load, { instanceOf: SluiceError });
  t.regex(error.message, /^fuse-native: cannot be loaded \(.*\); install it with npm install/);
  t.deepEqual([error.errno, error.exitCode], ['ENOENT', EXIT_MOUNT]);
});
