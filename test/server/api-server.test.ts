import { once } from 'node:events';
import { statSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { dirname } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { askSocket } from '../../src/server/api-client.js';
import { SluiceError } from '../../src/util/errors.js';
import { fakeMount, serveApi } from '../helpers/api.js';
import { IN_THE_END_MS } from '../helpers/proc.js';

/** Sends bytes as they are; resolves with all that comes back until the other end closes. */
function sendRaw(socket: string, ...parts: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    const connection = connect(socket, () => {
      for (const part of parts) connection.write(part);
    });
    connection.setEncoding('utf8').on('data', (part) => {
      text += part;
    });
    // Who is cut off is told so by the kernel.
    const isCut = (error: NodeJS.ErrnoException) => /ECONNRESET|EPIPE/.test(error.code ?? '');
    connection.once('error', (error) => (isCut(error) ? resolve(text) : reject(error)));
    connection.once('close', () => resolve(text));
  });
}

/** The error in an answer. */
function errorIn(text: string): { status: string; code: string; message: string } {
  const { code, message } = JSON.parse(text.slice(text.indexOf('\r\n\r\n')));
  return { status: text.slice(0, text.indexOf('\r\n')), code, message };
}

const isAlive = async (t: ExecutionContext, socket: string): Promise<void> => {
  const about = await askSocket<{ mountpoint: string }>(socket, get('/v1/mount'), 'it');
  t.is(about!.mountpoint, '/mnt/s');
};
/** A machine under load answers late. */
const limitMs = IN_THE_END_MS;
const get = (path: string) => ({ method: 'GET', path, limitMs });

test('a body is checked by its schema, and answers have codes, sentences and hints', async (t) => {
  const { mount, orders } = fakeMount();
  const socket = await serveApi(t, mount);
  const change = (body: object, method = 'PATCH') =>
    askSocket(socket, { method, path: '/v1/groups/gold', body, limitMs }, 'it');
  t.deepEqual(await change({ weight: 7, bps: '10M' }), {});
  t.like(orders[0], { group: 'gold', changes: { weight: 7 } } as never);
  const wrong: [object, string][] = [
    [{ weigh: 7 }, 'the body: there is no key "weigh"; did you mean weight?'],
    [
      { weight: [7] },
      'weight: expected a text, or a number; see the schema "settings" at /v1/schema',
    ],
    [{ weight: 0 }, 'weight=0: not from 1 to 10000'],
    [[], 'the body: expected an object; see the schema "settings" at /v1/schema'],
  ];
  for (const [body, message] of wrong) {
    await t.throwsAsync(change(body), { instanceOf: SluiceError, message });
  }
  const lead = { method: 'DELETE', path: '/v1/groups/lead', limitMs };
  const error = await t.throwsAsync<SluiceError>(askSocket(socket, lead, 'it'));
  t.is(error!.message, 'there is no group "lead"; groups: /, gold');
  t.is(error!.errno, 'ENOENT');
  t.is(error!.exitCode, 2);
  t.is(orders.length, 1);
});

test('a client that is one too many is told so, and later ones are served again', async (t) => {
  const { mount } = fakeMount();
  const socket = await serveApi(t, mount, undefined, 3);
  const idle = await Promise.all(
    Array.from({ length: 3 }, () => {
      return new Promise<Socket>((resolve, reject) => {
        const connection = connect(socket, () => resolve(connection));
        connection.once('error', reject);
      });
    }),
  );
  const asked = askSocket(socket, get('/v1/mount'), 'it');
  const error = await t.throwsAsync<SluiceError>(asked);
  t.is(error!.message, 'there are 3 clients already; try again');
  t.is(error!.errno, 'EAGAIN');
  const ended = idle.map((connection) => once(connection, 'close'));
  for (const connection of idle) connection.destroy();
  await Promise.all(ended);
  // The server hears of their ends a moment later.
  const end = performance.now() + IN_THE_END_MS;
  while (performance.now() < end) {
    const served = await askSocket(socket, get('/v1/mount'), 'it').catch(() => null);
    if (served !== null) break;
  }
  await isAlive(t, socket);
});

test('before the mount is there, requests are told so', async (t) => {
  const socket = await serveApi(t, null);
  const asked = askSocket(socket, get('/v1/mount'), 'it');
  t.is((await t.throwsAsync<SluiceError>(asked))!.errno, 'EAGAIN');
});

test('a change of a mount that starts waits until it serves, and a question does not', async (t) => {
  let looks = 0;
  const { mount, orders } = fakeMount({
    isStarting: () => looks++ < 3,
    isServing: () => looks > 3,
  });
  const socket = await serveApi(t, mount);
  await isAlive(t, socket);
  t.is(looks, 0);
  const body = { weight: 7 };
  await askSocket(socket, { method: 'PATCH', path: '/v1/groups/gold', body, limitMs }, 'it');
  t.deepEqual([looks, orders.length], [4, 1]);
});

test('malformed, huge and half requests get an error or nothing, and harm nobody', async (t) => {
  const { mount, orders } = fakeMount();
  const socket = await serveApi(t, mount);
  const no = errorIn(await sendRaw(socket, 'hello\r\n\r\n'));
  t.like(no, { status: 'HTTP/1.1 400 Bad Request', code: 'EINVAL' });
  const head = 'PATCH /v1/groups/gold HTTP/1.1\r\nHost: x\r\nConnection: close\r\n';
  const broken = errorIn(await sendRaw(socket, `${head}Content-Length: 4\r\n\r\n{"a"`));
  t.like(broken, { status: 'HTTP/1.1 400 Bad Request', code: 'EINVAL' });
  t.regex(broken.message, /^the body is not JSON: /);
  const long = 'x'.repeat(300 << 10);
  const huge = errorIn(
    await sendRaw(socket, `${head}Content-Length: ${long.length}\r\n\r\n${long}`),
  );
  t.like(huge, { status: 'HTTP/1.1 413 Payload Too Large', code: 'EMSGSIZE' });
  // A body without an end is cut off.
  const chunk = `${(1 << 20).toString(16)}\r\n${'x'.repeat(1 << 20)}\r\n`;
  const endless = `${head}Transfer-Encoding: chunked\r\n\r\n`;
  t.is(await sendRaw(socket, endless, ...Array.from({ length: 18 }, () => chunk)), '');
  const header = errorIn(await sendRaw(socket, `${head}X: ${'y'.repeat(20 << 10)}\r\n\r\n`));
  t.like(header, { status: 'HTTP/1.1 431 Too Large', code: 'EMSGSIZE' });
  // Half a head, and half a body: the client goes away.
  for (const half of [head, `${head}Content-Length: 10\r\n\r\n{`]) {
    await new Promise<void>((resolve) => {
      const connection = connect(socket, () => connection.end(half));
      connection
        .resume()
        .once('error', () => {})
        .once('close', () => resolve());
    });
  }
  t.deepEqual(orders, []);
  await isAlive(t, socket);
});

test('a hundred clients at once, beside a hundred that say nothing', async (t) => {
  const { mount } = fakeMount();
  const socket = await serveApi(t, mount);
  const silent = await Promise.all(
    Array.from({ length: 100 }, async () => {
      // After 10 s the server cuts it off.
      const connection = connect(socket).on('error', () => {});
      await new Promise((resolve) => connection.once('connect', resolve));
      return connection;
    }),
  );
  const asked = Array.from({ length: 100 }, () => askSocket(socket, get('/v1/stat'), 'it'));
  for (const answer of await Promise.all(asked)) t.truthy(answer);
  for (const connection of silent) connection.destroy();
});

test('a socket is for its owner alone, and so is its folder', async (t) => {
  const socket = await serveApi(t, fakeMount().mount);
  t.is(statSync(socket).mode & 0o777, 0o600);
  t.is(statSync(dirname(socket)).mode & 0o777, 0o700);
});
