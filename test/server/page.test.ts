import { createServer, get, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import { Page, WATCHERS_MAX } from '../../src/server/page.js';
import { type PageState, pageState } from '../../src/server/page-state.js';

const ABOUT = { version: '1', mountpoint: '/mnt/s', images: ['disk'], canWrite: false };

interface Served {
  page: Page;
  /** Answers as soon as the head is there. */
  ask(path: string): Promise<IncomingMessage>;
}

async function serve(t: ExecutionContext, state: PageState | null): Promise<Served> {
  const page = new Page(() => state, 'dist/page');
  const server = createServer(
    (request, response) => void page.answer(request.url!, request, response),
  );
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    page.close();
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return {
    page,
    ask: (path) =>
      new Promise((resolve, reject) => {
        get({ host: '127.0.0.1', port, path, agent: false }, resolve).once('error', reject);
      }),
  };
}

async function textOf(answer: IncomingMessage): Promise<string> {
  let text = '';
  for await (const part of answer.setEncoding('utf8')) text += part;
  return text;
}

test('the page and all that it loads come from here', async (t) => {
  const { page, ask } = await serve(t, null);
  const html = await ask('/');
  t.is(html.headers['content-type'], 'text/html; charset=utf-8');
  const policy = html.headers['content-security-policy'] as string;
  t.true(policy.startsWith("default-src 'none'; script-src 'self';"));
  t.true(policy.includes("frame-ancestors 'none'"));
  const text = await textOf(html);
  const loaded = [...text.matchAll(/(?:src|href)="([^"]*)"/g)].map(([, path]) => `/${path}`);
  t.deepEqual(loaded, ['/page.css', '/page.js']);
  for (const path of loaded) {
    t.true(page.has(path));
    const answer = await ask(path);
    t.is(answer.statusCode, 200);
    const content = await textOf(answer);
    t.false(/(?:url\(|@import|import\()['" ]*https?:/.test(content), path);
  }
  t.false(page.has('/../server/main.js'));
  t.false(page.has('/constructor'));
});

test('a state comes at once', async (t) => {
  const state = pageState(ABOUT, [], []);
  const { ask } = await serve(t, state);
  const events = await ask('/events');
  t.is(events.headers['content-type'], 'text/event-stream');
  const [first] = (await events.setEncoding('utf8')[Symbol.asyncIterator]().next()).value.split(
    '\n\n',
  );
  t.deepEqual(JSON.parse(first.replace(/^data: /, '')), JSON.parse(JSON.stringify(state)));
});

test('more browsers than are served are refused', async (t) => {
  const { ask } = await serve(t, null);
  const open = await Promise.all(Array.from({ length: WATCHERS_MAX }, () => ask('/events')));
  t.true(open.every(({ statusCode }) => statusCode === 200));
  const one = await ask('/events');
  t.is(one.statusCode, 503);
  for (const answer of open) answer.destroy();
});
