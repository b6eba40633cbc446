import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { shortPath, socketFolder, socketName, socketOf } from '../../src/server/socket-path.js';
import { tempFolder } from '../helpers/temp.js';

test('each user has a folder; that of root is told by nobody', (t) => {
  const env = { XDG_RUNTIME_DIR: '/home/a/run' };
  t.is(socketFolder(0, 0, env), '/run/sluice');
  t.is(socketFolder(0, 1000, env), '/run/sluice');
  t.is(socketFolder(1000, 1000, env), '/home/a/run/sluice');
  // Not the folder of who asks.
  t.is(socketFolder(4_000_000, 0, env), null);
  t.is(socketFolder(4_000_000, 4_000_000, { XDG_RUNTIME_DIR: 'run' }), null);
  t.is(socketFolder(4_000_000, 4_000_000, {}), null);
});

test('the mount table tells where the socket of a mount is', (t) => {
  t.is(socketName('0:57'), '0-57.sock');
  const mount = { device: '0:57', options: 'rw,user_id=0,group_id=0,allow_other' };
  t.is(socketOf(mount), '/run/sluice/0-57.sock');
  const usual = existsSync('/run/user/4000000') ? '/run/user/4000000/sluice/0-57.sock' : null;
  t.is(socketOf({ ...mount, options: 'rw,user_id=4000000,group_id=0' }), usual);
});

test('a path that a socket cannot have is reached by its folder', (t) => {
  const open = () => readdirSync('/proc/self/fd').length;
  const folder = tempFolder(t);
  t.is(shortPath(join(folder, 's')).path, join(folder, 's'));
  const name = 'x'.repeat(60);
  const deep = join(folder, 'y'.repeat(60));
  mkdirSync(deep);
  writeFileSync(join(deep, name), 'here');
  const before = open();
  const { path, release } = shortPath(join(deep, name));
  t.true(Buffer.byteLength(path) <= 107);
  t.is(readFileSync(path, 'utf8'), 'here');
  release();
  t.is(open(), before);
  t.throws(() => shortPath(join(deep, 'none', name)), { code: 'ENOENT' });
});
