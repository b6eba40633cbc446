import { chmodSync, existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import test from 'ava';
import { boundedServer } from '../../src/server/api-server.js';
import { ListeningSocket } from '../../src/server/listening-socket.js';
import { tempFolder } from '../helpers/temp.js';

/** Whether somebody listens. */
function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const connection = connect(path, () => {
      connection.destroy();
      resolve(true);
    });
    connection.once('error', () => resolve(false));
  });
}

const open = (path: string) => ListeningSocket.listen(boundedServer(), path);

test('a socket is there while its server listens, and nothing else', async (t) => {
  const folder = join(tempFolder(t), 'a', 'run');
  const path = join(folder, '0-7.sock');
  const before = process.umask();
  const socket = await open(path);
  t.is(process.umask(), before);
  t.true(await answers(path));
  t.deepEqual(readdirSync(folder), ['0-7.sock']);
  t.is(statSync(path).mode & 0o777, 0o600);
  socket.close();
  t.deepEqual(readdirSync(folder), []);
});

test('what has the name already is of a mount that is gone; its end takes nothing away', async (t) => {
  const path = join(tempFolder(t), '0-7.sock');
  chmodSync(join(path, '..'), 0o700);
  writeFileSync(path, '');
  const first = await open(path);
  const second = await open(path);
  first.close();
  t.true(await answers(path));
  second.close();
  t.false(existsSync(path));
});

test('a folder that others may write to is not trusted', async (t) => {
  const folder = join(tempFolder(t), 'run');
  mkdirSync(folder);
  chmodSync(folder, 0o777);
  await t.throwsAsync(open(join(folder, '0-7.sock')), { message: /others may write to it$/ });
  writeFileSync(join(folder, 'file'), '');
  await t.throwsAsync(open(join(folder, 'file', 'x.sock')), { message: /: (ENOTDIR|EEXIST)$/ });
});

test('a connection that cannot be taken ends nothing', async (t) => {
  const server = boundedServer();
  const path = join(tempFolder(t), 'run', '0-7.sock');
  const socket = await ListeningSocket.listen(server, path);
  t.notThrows(() => server.emit('error', new Error('accept ENFILE')));
  t.true(await answers(path));
  socket.close();
});
