import type { IncomingMessage, Server, ServerOptions, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** How long the next step of a client may take, milliseconds. */
export interface Deadlines {
  /** The headers of a request, from when the connection is there. */
  headersMs: number;
  /** The body of a request, from when its headers are there. */
  requestMs: number;
  /** The time from an answer to the first byte of the next request. */
  idleMs: number;
}

/** Longest interval of a timer: 24 days. */
const NEVER_MS = 2 ** 31 - 1;

/**
 * For a server whose clients get their deadlines from `keepDeadlines`. Node.js would look at all connections every so
 * often, also when there is none: a daemon that nobody asks would not sleep.
 */
export function withoutLooks({ idleMs }: Deadlines): ServerOptions {
  const none = { headersTimeout: 0, requestTimeout: 0, connectionsCheckingInterval: NEVER_MS };
  return { ...none, keepAliveTimeout: idleMs };
}

/**
 * Gives each connection of a server one timer, for what its client has to do next.
 *
 * @param cutOff Ends the connection of a client that is late.
 */
export function keepDeadlines(
  server: Server,
  { headersMs, requestMs, idleMs }: Deadlines,
  cutOff: (connection: Socket) => void,
): void {
  const timers = new WeakMap<Socket, NodeJS.Timeout>();
  const within = (ms: number, connection: Socket, isDone: () => boolean): void => {
    clearTimeout(timers.get(connection));
    if (connection.destroyed) return;
    const late = (): void => {
      if (!isDone()) cutOff(connection);
    };
    timers.set(connection, setTimeout(late, ms).unref());
  };
  const never = (): boolean => false;
  server.on('connection', (connection) => {
    within(headersMs, connection, never);
    connection.once('close', () => clearTimeout(timers.get(connection)));
  });
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    const { socket } = request;
    within(requestMs, socket, () => request.complete);
    response.once('close', () => within(idleMs + headersMs, socket, never));
  });
}
