import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { EXIT_FAILED, refuse, SluiceError } from '../util/errors.js';
import type { BodyChecker } from './api-checker.js';
import { apiError, statusOf } from './api-errors.js';
import { type ApiMount, type Route, routeOf } from './api-routes.js';
import type { ListeningSocket } from './listening-socket.js';

/** The longest body: an order with thousands of members. */
const BODY_BYTES_MAX = 256 << 10;
/** A client reads no answer before its body is sent. So a longer body is read and thrown away, up to this length. */
const WASTE_BYTES_MAX = 16 << 20;
const HEADER_BYTES_MAX = 16 << 10;
/** A client sends its request at once. One that does not is cut off after this time. */
const HEADERS_MS = 10_000;
const REQUEST_MS = 20_000;
/** How often the server looks for such clients. */
const LOOK_MS = 2000;
/** A connection that asks nothing more is closed. */
const IDLE_MS = 60_000;
/** Further connections are closed at once; commands then use the control files. */
const CONNECTIONS_MAX = 512;

/** Requests about a mount over its socket: HTTP with JSON. The routes are in api-routes.ts. */
export class ApiServer {
  readonly #server: Server;
  /** Null while the mount is being made. */
  #mount: ApiMount | null = null;
  readonly #socket: ListeningSocket;
  #checker: BodyChecker | null = null;

  /** @param socket It listens. */
  constructor(socket: ListeningSocket) {
    this.#socket = socket;
    const { server } = socket;
    this.#server = server;
    server.on('request', (request, response) => void this.#answer(request, response));
    server.on('clientError', (error: NodeJS.ErrnoException, connection: Socket) => {
      refuseConnection(error, connection);
    });
    // The mount alone decides when the process ends.
    server.unref();
    server.on('connection', (connection) => connection.unref());
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
      const [path = '', query] = (request.url ?? '').split('?', 2);
      const { route, rest } = routeOf(request.method ?? '', path);
      if (this.#mount === null) throw new SluiceError('not ready yet', 'EAGAIN', EXIT_FAILED);
      const body = route.body === null ? null : await this.#bodyOf(request, route.body);
      const call = { rest, query: new URLSearchParams(query), body };
      send(response, 200, await route.answer(this.#mount, call));
    } catch (error) {
      const answer = apiError(error);
      // The rest of a body that was not read must not count as the next request.
      request.resume();
      send(response, statusOf(answer.code), answer);
    }
  }

  async #bodyOf(request: IncomingMessage, name: NonNullable<Route['body']>): Promise<unknown> {
    const body = parse(await read(request));
    // Loaded only here: to read takes no schema. It is tried again where it could not be read.
    const { BodyChecker } = await import('./api-checker.js');
    this.#checker ??= new BodyChecker();
    this.#checker.check(name, body);
    return body;
  }
}

/** The server of a socket that does not listen yet, with bounds for all that a client can do. */
export function boundedServer(): Server {
  const server = createServer({
    maxHeaderSize: HEADER_BYTES_MAX,
    headersTimeout: HEADERS_MS,
    requestTimeout: REQUEST_MS,
    connectionsCheckingInterval: LOOK_MS,
    keepAliveTimeout: IDLE_MS,
  });
  server.maxConnections = CONNECTIONS_MAX;
  return server;
}

function read(request: IncomingMessage): Promise<string> {
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    let bytes = 0;
    request.on('data', (part: Buffer) => {
      bytes += part.length;
      if (bytes <= BODY_BYTES_MAX) parts.push(part);
      else parts.length = 0;
      if (bytes > WASTE_BYTES_MAX) request.destroy();
    });
    request.once('end', () => {
      const message = `the body is longer than ${BODY_BYTES_MAX} bytes; send it in parts`;
      if (bytes > BODY_BYTES_MAX) reject(new SluiceError(message, 'EMSGSIZE', EXIT_FAILED));
      else resolve(Buffer.concat(parts).toString('utf8'));
    });
    // The client is gone: nobody reads the answer.
    request.once('error', reject);
    request.once('close', () => reject(new SluiceError('half a body', 'ECONNRESET', EXIT_FAILED)));
  });
}

function parse(text: string): unknown {
  if (text === '') return {};
  try {
    return JSON.parse(text);
  } catch (error) {
    throw refuse(`the body is not JSON: ${(error as Error).message}`);
  }
}

function send(response: ServerResponse, status: number, body: object): void {
  const text = `${JSON.stringify(body)}\n`;
  const length = Buffer.byteLength(text);
  response.writeHead(status, { 'Content-Type': 'application/json', 'Content-Length': length });
  response.end(text);
}

/** A client that sends no HTTP, or sends too slowly, gets one answer, if it still reads. */
function refuseConnection({ code }: NodeJS.ErrnoException, connection: Socket): void {
  if (code === 'ECONNRESET' || !connection.writable) {
    connection.destroy();
    return;
  }
  const isLate = code === 'ERR_HTTP_REQUEST_TIMEOUT';
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
