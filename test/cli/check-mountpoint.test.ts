import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { checkMountpoint, checkMountRights } from '../../src/cli/check-mountpoint.js';
import { SluiceError } from '../../src/util/errors.js';

const folder = realpathSync(mkdtempSync(join(tmpdir(), 'sluice-point-')));
test.after.always(() => rmSync(folder, { recursive: true, force: true }));
mkdirSync(join(folder, 'mnt'));
mkdirSync(join(folder, 'bin'));
mkdirSync(join(folder, 'plain'));
symlinkSync('mnt', join(folder, 'link'));
symlinkSync('/proc', join(folder, 'proc'));
writeFileSync(join(folder, 'bin', 'fusermount3'), '', { mode: 0o755 });
writeFileSync(join(folder, 'plain', 'fusermount3'), '', { mode: 0o644 });

test('a directory is a mount point, and links to it are resolved', (t) => {
  t.is(checkMountpoint(join(folder, 'mnt')), join(folder, 'mnt'));
  t.is(checkMountpoint(join(folder, 'link')), join(folder, 'mnt'));
});

test('a link to a mount point is as busy as the mount point', (t) => {
  const path = join(folder, 'proc');
  const error = t.throws(() => checkMountpoint(path), {
    instanceOf: SluiceError,
    message: '/proc: busy: it is a mount point already (proc); choose another directory',
  });
  t.is(error?.errno, 'EBUSY');
  t.is(error?.exitCode, 4);
});

test('root needs no fusermount3', (t) => {
  t.notThrows(() => checkMountRights({ uid: 0, path: '' }));
});

test('a user needs a fusermount3 that can be run', (t) => {
  t.notThrows(() => checkMountRights({ uid: 1000, path: `/nowhere:${folder}/bin` }));
  for (const path of ['', folder, `${folder}/plain`]) {
    const error = t.throws(() => checkMountRights({ uid: 1000, path }), {
      instanceOf: SluiceError,
      message: 'fusermount3 is missing, and only root can mount without it; install fuse3',
    });
    t.is(error?.errno, 'ENOENT');
    t.is(error?.exitCode, 4);
  }
});
