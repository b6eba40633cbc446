import { mkdirSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { askMount, askSocket } from '../../src/server/api-client.js';
import type { SluiceError } from '../../src/util/errors.js';
import { fakeMount, serveApi } from '../helpers/api.js';
import { IN_THE_END_MS } from '../helpers/proc.js';
import { tempFolder } from '../helpers/temp.js';

const ASKED = { method: 'GET', path: '/v1/mount', limitMs: IN_THE_END_MS };

/** Something that listens, and does with a connection what is asked for. */
async function listen(
  t: ExecutionContext,
  answer: Parameters<typeof createServer>[1],
): Promise<string> {
  const path = join(tempFolder(t), 's');
  const server = createServer(answer).listen(path);
  await new Promise((resolve) => server.once('listening', resolve));
  t.teardown(() => server.close());
  return path;
}

test('where nobody listens there is no answer', async (t) => {
  const folder = tempFolder(t);
  t.is(await askSocket(join(folder, 'none'), ASKED, 'it'), null);
  t.is(await askSocket(join(folder, 'x'.repeat(200), 'none'), ASKED, 'it'), null);
  t.is(await askMount(folder, ASKED), null);
});

test('a daemon that does not answer, and one that ends before it has', async (t) => {
  const silent = await listen(t, (connection) => t.teardown(() => connection.destroy()));
  const late = askSocket(silent, { ...ASKED, limitMs: 50 }, '/mnt/s');
  const message = '/mnt/s: its daemon does not answer';
  t.like(await t.throwsAsync<SluiceError>(late), { message, errno: 'ETIMEDOUT', exitCode: 1 });
  const ends = await listen(t, (connection) => {
    connection.once('data', () => connection.destroy());
  });
  const ended = await t.throwsAsync<SluiceError>(askSocket(ends, ASKED, '/mnt/s'));
  t.is(ended!.message, '/mnt/s: its daemon has ended meanwhile');
  t.is(ended!.exitCode, 5);
});

test('a long way to a socket leads there too', async (t) => {
  const folder = join(tempFolder(t), 'x'.repeat(100), 'y'.repeat(100));
  mkdirSync(folder, { recursive: true });
  const { mount } = fakeMount();
  const path = await serveApi(t, mount, join(folder, 'run'));
  const about = await askSocket<{ mountpoint: string }>(path, ASKED, 'it');
  t.is(about!.mountpoint, '/mnt/s');
});
