import { createHash, timingSafeEqual } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { EXIT_FAILED, SluiceError } from '../util/errors.js';
import { apiError, statusOf } from './api-errors.js';
import { type ApiMount, routeOf } from './api-routes.js';
import { Bodies, sendJson } from './json-bodies.js';

/** Characters of a token at least: one cannot be found by trying. */
const TOKEN_CHARACTERS_MIN = 16;
/** What others may do with its file: nothing. */
const OTHERS = 0o077;

/** What the page may ask for; the socket has the same. */
const METHOD = 'PATCH';
const PREFIX = '/v1/groups/';

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

/**
 * The token in a file. Throws SluiceError: it cannot be read, others may read it (EPERM), or it is too short (EINVAL).
 */
export function readToken(path: string): string {
  const refuse = (why: string, errno: string): SluiceError =>
    new SluiceError(`--metrics-write ${path}: ${why}`, errno, EXIT_FAILED);
  let token: string;
  try {
    if ((statSync(path).mode & OTHERS) !== 0) {
      throw refuse(`others may read the token; make it yours alone: chmod 600 ${path}`, 'EPERM');
    }
    token = readFileSync(path, 'utf8').trim();
  } catch (error) {
    if (error instanceof SluiceError) throw error;
    const { code = 'EIO', message } = error as NodeJS.ErrnoException;
    throw refuse(code === 'ENOENT' ? 'there is no such file' : message, code);
  }
  if (token.length >= TOKEN_CHARACTERS_MIN && /^[\x21-\x7e]+$/.test(token)) return token;
  const what = `the token needs ${TOKEN_CHARACTERS_MIN} or more characters of ASCII without spaces`;
  throw refuse(`${what}; make one: openssl rand -hex 16`, 'EINVAL');
}

/** Whether a request comes from a page of another site, as far as its browser tells. */
export function isCrossSite(headers: IncomingHttpHeaders): boolean {
  const { host, origin } = headers;
  const site = headers['sec-fetch-site'];
  if (site !== undefined && site !== 'same-origin') return true;
  return origin !== undefined && ![`http://${host}`, `https://${host}`].includes(origin);
}

/** Changes of groups by the page: as over the socket, for those who have the token. */
export class PageWriter {
  readonly #token: Buffer;
  readonly #bodies = new Bodies();
  /** Null while the mount is being made. */
  mount: ApiMount | null = null;

  constructor(token: string) {
    this.#token = digest(token);
  }

  has(path: string): boolean {
    return path.startsWith(PREFIX);
  }

  async answer(path: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const refused = this.#refusal(request);
      if (refused !== null) {
        const [status, message] = refused;
        // The body is not read: the connection ends with the answer.
        response.setHeader('Connection', 'close');
        sendJson(response, status, { code: 'EACCES', message, hint: null, exitCode: EXIT_FAILED });
        return;
      }
      const { route, rest } = routeOf(METHOD, path);
      if (this.mount === null) throw new SluiceError('not ready yet', 'EAGAIN', EXIT_FAILED);
      const body = await this.#bodies.of(request, route.body!);
      const call = { rest, query: new URLSearchParams(), body };
      sendJson(response, 200, await route.answer(this.mount, call));
    } catch (error) {
      const answer = apiError(error);
      request.resume();
      sendJson(response, statusOf(answer.code), answer);
    }
  }

  #refusal({ method, headers }: IncomingMessage): readonly [status: number, why: string] | null {
    if (method !== METHOD) return [405, `${method}: groups are changed by ${METHOD}`];
    if (isCrossSite(headers)) return [403, 'the request comes from a page of another site'];
    if (!/^application\/json\b/.test(headers['content-type'] ?? '')) {
      return [415, 'the body must be application/json'];
    }
    const token = /^Bearer (.*)$/.exec(headers.authorization ?? '')?.[1] ?? '';
    if (token === '') return [401, 'there is no token; send it as Authorization: Bearer TOKEN'];
    // Digests have the same length, and how much of them is alike tells nothing of the token.
    return timingSafeEqual(digest(token), this.#token) ? null : [401, 'the token is another one'];
  }
}
