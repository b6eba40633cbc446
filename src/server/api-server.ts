import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { EXIT_FAILED, refuse, SluiceError } from '../util/errors.js';
import { apiError, statusOf } from './api-errors.js';
import { type ApiMount, routeOf } from './api-routes.js';
import { type Deadlines, keepDeadlines, withoutLooks } from './client-deadlines.js';
import { Bodies, sendJson } from './json-bodies.js';
import type { ListeningSocket } from './listening-socket.js';

const HEADER_BYTES_MAX = 16 << 10;
/** A client sends its request at once, and a connection that asks nothing more is closed. */
const DEADLINES: Deadlines = { headersMs: 10_000, requestMs: 20_000, idleMs: 60_000 };
/** The code of a client that is late. */
const LATE = 'ETIMEDOUT';
/** A mount that is being made is waited for, and looked at so often, milliseconds. */
const BEGIN_MS = 2000;
const LOOK_MS = 20;
/** So many connections are served. Requests of further ones are refused, */
const CONNECTIONS_MAX = 512;
/** and connections beyond these are closed at once. */
const CONNECTIONS_LIMIT = 2 * CONNECTIONS_MAX;

/** Requests about a mount over its socket: HTTP with JSON. The routes are in api-routes.ts. */
export class ApiServer {
  readonly #server: Server;
  /** Null while the mount is being made. */
  #mount: ApiMount | null = null;
  readonly #socket: ListeningSocket;
  readonly #bodies = new Bodies();
  readonly #connectionsMax: number;
  #connections = 0;
  /** Those that came when there were enough. */
  readonly #extra = new WeakSet<Socket>();

  /**
   * @param socket It listens.
   * @param connectionsMax Requests of further connections are refused.
   */
  constructor(socket: ListeningSocket, connectionsMax = CONNECTIONS_MAX) {
    this.#socket = socket;
    this.#connectionsMax = connectionsMax;
    const { server } = socket;
    this.#server = server;
    server.on('request', (request, response) => void this.#answer(request, response));
    server.on('clientError', (error: NodeJS.ErrnoException, connection: Socket) => {
      refuseConnection(error, connection);
    });
    // The mount alone decides when the process ends.
    server.unref();
    server.on('connection', (connection) => {
      connection.unref();
      this.#connections++;
      if (this.#connections > connectionsMax) this.#extra.add(connection);
      connection.once('close', () => {
        this.#connections--;
      });
    });
  }

  serve(mount: ApiMount): void {
    this.#mount = mount;
  }

  /** The socket is gone then. */
  close(): void {
    this.#socket.close();
    this.#server.closeAllConnections();
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      if (this.#extra.has(request.socket)) throw tooMany(this.#connectionsMax);
      const [path = '', query] = (request.url ?? '').split('?', 2);
      const { route, rest } = routeOf(request.method ?? '', path);
      if (this.#mount === null) throw new SluiceError('not ready yet', 'EAGAIN', EXIT_FAILED);
      const body = route.body === null ? null : await this.#bodies.of(request, route.body);
      const call = { rest, query: new URLSearchParams(query), body };
      if (route.method !== 'GET') await begun(this.#mount);
      sendJson(response, 200, await route.answer(this.#mount, call));
    } catch (error) {
      const answer = apiError(error);
      // The rest of a body that was not read must not count as the next request.
      request.resume();
      sendJson(response, statusOf(answer.code), answer);
    }
  }
}

/** A change of a mount that starts would be refused as if it were ending. */
async function begun(mount: ApiMount): Promise<void> {
  for (let waitedMs = 0; mount.isStarting() && waitedMs < BEGIN_MS; waitedMs += LOOK_MS) {
    await sleep(LOOK_MS);
  }
}

/** The server of a socket that does not listen yet, with bounds for all that a client can do. */
export function boundedServer(deadlines = DEADLINES): Server {
  const server = createServer({ maxHeaderSize: HEADER_BYTES_MAX, ...withoutLooks(deadlines) });
  server.maxConnections = CONNECTIONS_LIMIT;
  keepDeadlines(server, deadlines, (connection) => {
    refuseConnection({ code: LATE }, connection);
    // It need not close its end.
    connection.destroySoon();
  });
  return server;
}

function tooMany(most: number): SluiceError {
  const what = `there are ${most} clients already; try again`;
  return new SluiceError(what, 'EAGAIN', EXIT_FAILED);
}

/** A client that sends no HTTP, or sends too slowly, gets one answer, if it still reads. */
function refuseConnection({ code }: Pick<NodeJS.ErrnoException, 'code'>, connection: Socket): void {
  if (code === 'ECONNRESET' || !connection.writable) {
    connection.destroy();
    return;
  }
  const isLate = code === LATE;
  const isLong = code === 'HPE_HEADER_OVERFLOW';
  const error = isLate
    ? new SluiceError('the request came too slowly', 'ETIMEDOUT', EXIT_FAILED)
    : isLong
      ? new SluiceError('the headers are too long', 'EMSGSIZE', EXIT_FAILED)
      : refuse(`this is no HTTP request (${code}); see docs/api.md`);
  const answer = apiError(error);
  const text = `${JSON.stringify(answer)}\n`;
  const status = isLate ? '408 Request Timeout' : isLong ? '431 Too Large' : '400 Bad Request';
  const head = `HTTP/1.1 ${status}\r\nContent-Type: application/json\r\n`;
  const length = `Content-Length: ${Buffer.byteLength(text)}\r\nConnection: close\r\n\r\n`;
  connection.end(head + length + text);
}
