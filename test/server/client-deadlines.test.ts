import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { connect } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import { type Deadlines, keepDeadlines, withoutLooks } from '../../src/server/client-deadlines.js';

const FAR_MS = 1e9;
const FAR: Deadlines = { headersMs: FAR_MS, requestMs: FAR_MS, idleMs: FAR_MS };

/** A server that answers each request when all of it is there, and after `answerMs`. */
async function serve(t: ExecutionContext, deadlines: Deadlines, answerMs = 0): Promise<number> {
  const server: Server = createServer(withoutLooks(deadlines), (request, response) => {
    request.resume().once('end', () => setTimeout(() => response.end('it'), answerMs));
  });
  keepDeadlines(server, deadlines, (connection) => connection.destroy());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.close();
    server.closeAllConnections();
  });
  return (server.address() as AddressInfo).port;
}

const GET = 'GET / HTTP/1.1\r\nHost: x\r\n';

/** Sends `first`, and `drip` every 5 ms; resolves with what comes back until the server ends it. */
function talk(port: number, first: string, drip = ''): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    let more: NodeJS.Timeout | undefined;
    const connection = connect(port, '127.0.0.1', () => {
      connection.write(first);
      if (drip !== '') more = setInterval(() => connection.write(drip), 5);
    });
    connection
      .setEncoding('utf8')
      .on('data', (part) => {
        text += part;
      })
      .on('error', () => {})
      .once('close', () => {
        clearInterval(more);
        resolve(text);
      });
  });
}

test('who says nothing, or gives headers byte by byte, is cut off', async (t) => {
  const port = await serve(t, { ...FAR, headersMs: 60 });
  t.is(await talk(port, ''), '');
  t.is(await talk(port, `${GET}X: `, 'x'), '');
});

test('who gives a body byte by byte is cut off', async (t) => {
  const port = await serve(t, { ...FAR, requestMs: 60 });
  t.is(await talk(port, `${GET}Content-Length: 100000\r\n\r\n`, 'x'), '');
});

test('a connection ends when nothing more is asked, or when the next headers come byte by byte', async (t) => {
  const port = await serve(t, { headersMs: 500, requestMs: FAR_MS, idleMs: 50 });
  t.regex(await talk(port, `${GET}\r\n`), /^HTTP\/1.1 200 .*it/s);
  t.regex(await talk(port, `${GET}\r\n${GET}X: `, 'x'), /^HTTP\/1.1 200 .*it/s);
});

test('a request that is there may wait for its answer, whatever the deadlines', async (t) => {
  const port = await serve(t, { headersMs: FAR_MS, requestMs: 20, idleMs: 50 }, 200);
  t.regex(await talk(port, `${GET}\r\n`), /^HTTP\/1.1 200 .*it/s);
});
