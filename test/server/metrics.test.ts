import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { request, type Server } from 'node:http';
import { hostname } from 'node:os';
import test from 'ava';
import { isForeign, MetricsServer } from '../../src/server/metrics.js';
import { OWN_ADDRESS, OWN_PORTS } from '../helpers/own-address.js';

const NOTHING = {
  version: '1',
  transport: 'uring',
  startTime: 0,
  images: [],
  groups: [],
  callers: () => [],
};

interface Reply {
  status: number;
  type: string;
  text: string;
}

function ask(port: number, path = '/metrics', headers = {}, method = 'GET'): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const asked = request({ host: OWN_ADDRESS, port, path, headers, method }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk) => {
        text += chunk;
      });
      const type = response.headers['content-type'] ?? '';
      response.once('end', () => resolve({ status: response.statusCode!, type, text }));
    });
    asked.once('error', reject).end();
  });
}

test('metrics are had in both formats, and nothing else is', async (t) => {
  const [port] = OWN_PORTS;
  const server = await MetricsServer.listen({ host: OWN_ADDRESS, port });
  t.teardown(() => server.close());
  t.like(await ask(port), { status: 503, text: 'not mounted yet\n' });
  server.observe = () => NOTHING;
  const plain = await ask(port);
  t.is(plain.status, 200);
  t.is(plain.type, 'text/plain; version=0.0.4; charset=utf-8');
  t.true(plain.text.includes('# TYPE sluice_group_requests_total counter'));
  t.false(plain.text.includes('sluice_caller'));
  const all = await ask(port, '/metrics?callers=1');
  t.true(all.text.includes('# TYPE sluice_caller_requests_total counter'));
  const open = await ask(port, '/metrics?x=1', {
    Accept: 'application/openmetrics-text;q=0.9,*/*',
  });
  t.is(open.type, 'application/openmetrics-text; version=1.0.0; charset=utf-8');
  t.true(open.text.endsWith('# EOF\n'));
  const hint = 'metrics are at /metrics, a page is at /\n';
  t.like(await ask(port, '/other'), { status: 404, text: hint });
  // The page's files lie beside the program, not beside its modules; what is missing is told, and no more.
  t.is((await ask(port, '/')).status, 500);
  for (const path of ['/', '/events']) {
    t.is((await ask(port, path, {}, 'POST')).status, 405);
    t.is((await ask(port, path, { Host: `evil.example:${port}` })).status, 421);
  }
  t.is((await ask(port, '/metrics', {}, 'POST')).status, 405);
  t.is((await ask(port, '/metrics', {}, 'HEAD')).text, '');
  t.like(await ask(port, '/metrics', { Host: `evil.example:${port}` }), {
    status: 421,
    text: `this is ${OWN_ADDRESS}, not evil.example:${port}\n`,
  });
});

test('a port that is in use refuses the mount', async (t) => {
  const [, port] = OWN_PORTS;
  const server = await MetricsServer.listen({ host: OWN_ADDRESS, port });
  t.teardown(() => server.close());
  await t.throwsAsync(MetricsServer.listen({ host: OWN_ADDRESS, port }), {
    message: `--metrics ${OWN_ADDRESS}:${port}: the port is in use`,
  });
});

test('a connection that cannot be taken ends nothing', async (t) => {
  const [, , port] = OWN_PORTS;
  const own = await MetricsServer.listen({ host: OWN_ADDRESS, port });
  t.teardown(() => own.close());
  const servers: Server[] = [];
  const started = (message: unknown): void => {
    const { server, request } = message as { server: Server; request: { url: string } };
    if (request.url === '/taken') servers.push(server);
  };
  subscribe('http.server.request.start', started);
  t.teardown(() => unsubscribe('http.server.request.start', started));
  await ask(port, '/taken');
  // The first one would find the listener of the start, which is for one error.
  for (let time = 0; time < 2; time++) {
    t.notThrows(() => servers[0]!.emit('error', new Error('accept ENFILE')));
  }
  t.is((await ask(port, '/taken')).status, 404);
});

test('a name that is not of this machine is foreign, an address is not', (t) => {
  for (const host of ['127.0.0.1:9464', '10.0.0.7', '[::1]:9464', 'localhost', 'LOCALHOST:1']) {
    t.false(isForeign(host, '127.0.0.1'), host);
  }
  t.false(isForeign(`${hostname()}:9464`, '0.0.0.0'));
  t.false(isForeign('metrics.example:9464', 'metrics.example'));
  for (const host of [
    'evil.example',
    'evil.example:9464',
    '127.0.0.1.evil.example',
    '',
    undefined,
  ]) {
    t.true(isForeign(host, '127.0.0.1'), host);
  }
});
