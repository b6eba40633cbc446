import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { checkMountpoint, ourMount } from '../../src/fuse/mount-point.js';
import { SluiceError } from '../../src/util/errors.js';
import { tempFolder } from '../helpers/temp.js';

test('a directory is a mount point, by its path without symbolic links', (t) => {
  const folder = tempFolder(t);
  mkdirSync(join(folder, 'mnt'));
  symlinkSync('mnt', join(folder, 'link'));
  t.is(checkMountpoint(join(folder, 'link')), join(folder, 'mnt'));
});

test('a file and a missing path are none', (t) => {
  const folder = tempFolder(t);
  writeFileSync(join(folder, 'file'), '');
  for (const [name, errno] of [
    ['file', 'ENOTDIR'],
    ['nowhere', 'ENOENT'],
  ] as const) {
    const check = () => checkMountpoint(join(folder, name));
    t.is(t.throws(check, { instanceOf: SluiceError })?.errno, errno);
  }
});

test('mounts of other file systems are not ours', (t) => {
  t.is(ourMount('/proc'), null);
  t.is(ourMount(tempFolder(t)), null);
});
