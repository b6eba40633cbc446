import { chmodSync, writeFileSync } from 'node:fs';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { isCrossSite, PageWriter, readToken } from '../../src/server/page-writer.js';
import { fakeMount } from '../helpers/api.js';
import { tempFolder } from '../helpers/temp.js';

const TOKEN = '0123456789abcdef';
const GOOD = { Authorization: `Bearer ${TOKEN}`, 'Content-Type': 'application/json' };

/** Sends a change of `gold` to a writer; returns status and text of the answer. */
async function asker(t: ExecutionContext, writer: PageWriter) {
  const server = createServer(
    (asked, answer) => void writer.answer(asked.url ?? '', asked, answer),
  );
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.closeAllConnections());
  t.teardown(() => server.close());
  const { port } = server.address() as AddressInfo;
  return (headers: Record<string, string>, body = '{"weight":"20"}', method = 'PATCH') =>
    new Promise<[status: number | undefined, text: string]>((resolve, reject) => {
      const path = '/v1/groups/gold';
      const to = { host: '127.0.0.1', port, path, method, headers, agent: false };
      const asked = request(to, (answer) => {
        let text = '';
        answer.setEncoding('utf8').on('data', (part) => {
          text += part;
        });
        answer.once('end', () => resolve([answer.statusCode, text]));
      });
      asked.once('error', reject).end(body);
    });
}

test('who has the token changes a group, and nobody else', async (t) => {
  const { mount, orders } = fakeMount();
  const writer = new PageWriter(TOKEN);
  const ask = await asker(t, writer);
  t.is((await ask(GOOD))[0], 503);
  writer.mount = mount;
  t.deepEqual(await ask(GOOD), [200, '{}\n']);
  const change = { kind: 'change', group: 'gold', create: false, changes: { weight: 20 } };
  t.deepEqual(orders, [change]);
  const other = { ...GOOD, Authorization: `Bearer ${TOKEN.slice(1)}x` };
  t.is((await ask(other))[0], 401);
  const [, none] = await ask({ 'Content-Type': 'application/json' });
  t.is(JSON.parse(none).message, 'there is no token; send it as Authorization: Bearer TOKEN');
  t.is((await ask({ 'Content-Type': 'application/json' }))[0], 401);
  t.is((await ask({ ...GOOD, Authorization: TOKEN }))[0], 401);
  t.is((await ask({ ...GOOD, 'Content-Type': 'text/plain' }))[0], 415);
  for (const method of ['PUT', 'POST', 'DELETE', 'OPTIONS']) {
    t.is((await ask(GOOD, '', method))[0], 405, method);
  }
  t.is((await ask({ ...GOOD, Origin: 'http://evil.example' }))[0], 403);
  t.is(orders.length, 1);
  const [status, text] = await ask(GOOD, '{"weight":"0"}');
  t.is(status, 400);
  t.regex(text, /weight=0: not from 1 to 10000/);
});

test('a page of another site is told by its headers', (t) => {
  const host = '127.0.0.1:9464';
  t.false(isCrossSite({ host }));
  t.false(isCrossSite({ host, origin: `http://${host}`, 'sec-fetch-site': 'same-origin' }));
  t.false(isCrossSite({ host, origin: `https://${host}` }));
  t.true(isCrossSite({ host, origin: 'http://127.0.0.1:80' }));
  t.true(isCrossSite({ host, origin: 'null' }));
  t.true(isCrossSite({ host, 'sec-fetch-site': 'cross-site' }));
  t.true(isCrossSite({ host, 'sec-fetch-site': 'same-site' }));
});

test('a token is one that nobody else reads, and long enough', (t) => {
  const file = join(tempFolder(t), 'token');
  t.throws(() => readToken(file), { message: `--metrics-write ${file}: there is no such file` });
  writeFileSync(file, `${TOKEN}\n`, { mode: 0o600 });
  t.is(readToken(file), TOKEN);
  chmodSync(file, 0o640);
  t.throws(() => readToken(file), { message: /others may read the token/ });
  chmodSync(file, 0o600);
  for (const text of ['', 'short', `${TOKEN} ${TOKEN}`]) {
    writeFileSync(file, text);
    t.throws(() => readToken(file), { message: /needs 16 or more characters/ }, text);
  }
});
