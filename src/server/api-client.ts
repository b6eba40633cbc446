import { type Agent, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { ourMount } from '../fuse/mount-point.js';
import { EXIT_DAEMON, EXIT_FAILED, SluiceError } from '../util/errors.js';
import { type ApiError, fromApiError } from './api-errors.js';
import { isStarting } from './processes.js';
import { shortPath, socketOf } from './socket-path.js';

/** A healthy daemon answers within milliseconds, also while all its groups are saturated. */
const ANSWER_MS = 5000;

/** So long a socket is waited for that comes with the next daemon after a death, and how often it is looked for. */
const START_MS = 3000;
const START_LOOK_MS = 50;

/** Errors of connect(2) that mean that there is no socket to ask, for this user. */
const NO_SOCKET: ReadonlySet<string> = new Set([
  'ENOENT',
  'ENOTDIR',
  'ECONNREFUSED',
  'EACCES',
  'EPERM',
  'EAGAIN',
]);

/** A request to a daemon. */
export interface Asked {
  method: string;
  /** With the query. */
  path: string;
  /** Sent as JSON; missing: none. */
  body?: object;
  /** Milliseconds without a byte after which the daemon is given up. */
  limitMs?: number;
  /** Keeps the connection for the next request; missing: one for each. */
  agent?: Agent;
  /** Twice is as good as once, so the next daemon is asked if this one dies; missing: it is for GET and PATCH. */
  isRepeatable?: boolean;
}

/** All that our PATCH sets is absolute. */
const REPEATABLE: ReadonlySet<string> = new Set(['GET', 'PATCH']);

/** As `askSocket`, for the daemon of a mount. Returns null also if this user has no socket there. */
export async function askMount<Answer>(mountpoint: string, asked: Asked): Promise<Answer | null> {
  const mount = ourMount(mountpoint);
  const socket = mount === null ? null : socketOf(mount);
  if (socket === null) return null;
  const { isRepeatable = REPEATABLE.has(asked.method) } = asked;
  const until = performance.now() + START_MS;
  for (;;) {
    const isLast = (): boolean => performance.now() > until || !isStarting(mountpoint);
    try {
      const answer = await askSocket<Answer>(socket, asked, mountpoint);
      if (answer !== null || isLast()) return answer;
    } catch (error) {
      if (!isRepeatable || !hasEnded(error) || isLast()) throw error;
    }
    await sleep(START_LOOK_MS);
  }
}

/** The daemon has ended before it answered. An error that a daemon tells of has no cause here. */
function hasEnded(error: unknown): boolean {
  if (!(error instanceof SluiceError)) return false;
  return error.exitCode === EXIT_DAEMON && error.cause !== undefined;
}

/**
 * Asks a daemon over its socket.
 *
 * @param name Of the mount, for errors of the way there.
 * @returns The body of its answer; null: nobody listens there, or not for this user.
 * @throws SluiceError that of the daemon; ETIMEDOUT; ECONNRESET, exit code 5, if it has ended meanwhile
 */
export async function askSocket<Answer>(
  socket: string,
  asked: Asked,
  name: string,
): Promise<Answer | null> {
  const answer = await exchange(socket, asked, name);
  if (answer === null) return null;
  const { status, text } = answer;
  const parsed = JSON.parse(text);
  if (status !== 200) throw fromApiError(parsed as ApiError);
  return parsed as Answer;
}

function exchange(
  socket: string,
  { method, path, body, limitMs = ANSWER_MS, agent }: Asked,
  name: string,
): Promise<{ status: number; text: string } | null> {
  return new Promise((resolve, reject) => {
    const text = body === undefined ? '' : JSON.stringify(body);
    const headers = { 'Content-Length': Buffer.byteLength(text) };
    let short: ReturnType<typeof shortPath>;
    try {
      short = shortPath(socket);
    } catch {
      resolve(null);
      return;
    }
    let isConnected = false;
    const failed = (error: NodeJS.ErrnoException): void => {
      const { code = 'EIO' } = error;
      if (!isConnected && NO_SOCKET.has(code)) resolve(null);
      else if (error instanceof SluiceError) reject(error);
      else
        reject(
          new SluiceError(`${name}: its daemon has ended meanwhile`, code, EXIT_DAEMON, error),
        );
    };
    const asked = request(
      { socketPath: short.path, method, path, headers, timeout: limitMs, agent: agent ?? false },
      (response) => {
        let answer = '';
        response.setEncoding('utf8').on('data', (part) => {
          answer += part;
        });
        response.once('end', () => resolve({ status: response.statusCode ?? 0, text: answer }));
        response.once('error', failed);
      },
    );
    asked.once('socket', (connection) => {
      // An agent may give one that has served others.
      isConnected = !connection.connecting;
      if (isConnected) return;
      connection.once('connect', () => {
        isConnected = true;
      });
    });
    asked.once('timeout', () => {
      asked.destroy(
        new SluiceError(`${name}: its daemon does not answer`, 'ETIMEDOUT', EXIT_FAILED),
      );
    });
    asked.once('error', failed);
    asked.once('close', () => short.release());
    asked.end(text);
  });
}
