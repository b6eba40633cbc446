import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { checkMountpoint, checkMountRights, ourMount } from '../../src/fuse/mount-point.js';
import { findProgram } from '../../src/sys/files.js';
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

test('a link to a mount point is as busy as the mount point', (t) => {
  const path = join(tempFolder(t), 'proc');
  symlinkSync('/proc', path);
  const error = t.throws(() => checkMountpoint(path), {
    instanceOf: SluiceError,
    message: '/proc: busy: it is a mount point already (proc); choose another directory',
  });
  t.is(error?.errno, 'EBUSY');
  t.is(error?.exitCode, 4);
});

test('root needs no fusermount3', (t) => {
  t.notThrows(() => checkMountRights(0, ''));
});

test.serial('without $PATH, as under mount(8), programs are where execvp(3) looks', (t) => {
  const { PATH } = process.env;
  delete process.env.PATH;
  try {
    t.regex(findProgram('env') ?? '', /^(\/usr)?\/bin\/env$/);
  } finally {
    process.env.PATH = PATH;
  }
});

test('a user needs a fusermount3 that can be run', (t) => {
  const folder = tempFolder(t);
  for (const [name, mode] of [
    ['bin', 0o755],
    ['plain', 0o644],
  ] as const) {
    mkdirSync(join(folder, name));
    writeFileSync(join(folder, name, 'fusermount3'), '', { mode });
  }
  t.notThrows(() => checkMountRights(1000, `/nowhere:${folder}/bin`));
  for (const path of ['', folder, `${folder}/plain`]) {
    const error = t.throws(() => checkMountRights(1000, path), {
      instanceOf: SluiceError,
      message: 'fusermount3 is missing, and only root can mount without it; install fuse3',
    });
    t.is(error?.errno, 'ENOENT');
    t.is(error?.exitCode, 4);
  }
});
