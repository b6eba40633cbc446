import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import test from 'ava';
import { removeStaleSockets } from '../../src/server/stale-sockets.js';
import { tempFolder } from '../helpers/temp.js';

/** Listens at a path, says so, and is killed: the socket stays. */
async function leaveSocket(path: string): Promise<void> {
  const script = "require('net').createServer().listen(process.argv[1], () => console.log('here'))";
  const child = spawn(process.execPath, ['-e', script, path], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}

test('sockets of killed daemons go, those that answer and other files stay', async (t) => {
  const folder = tempFolder(t);
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(join(folder, '0-8.sock'), resolve));
  t.teardown(() => server.close());
  await leaveSocket(join(folder, '0-7.sock'));
  await leaveSocket(join(folder, 'other.sock'));
  // A file that only has such a name is none of ours.
  writeFileSync(join(folder, '0-1.sock'), '');
  t.deepEqual(readdirSync(folder).sort(), ['0-1.sock', '0-7.sock', '0-8.sock', 'other.sock']);
  await removeStaleSockets(folder);
  t.deepEqual(readdirSync(folder).sort(), ['0-1.sock', '0-8.sock', 'other.sock']);
});

test('a folder that is not there is no error', async (t) => {
  const folder = tempFolder(t);
  await t.notThrowsAsync(removeStaleSockets(join(folder, 'none')));
});
