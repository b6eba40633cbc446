import { readFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { dirname, join } from 'node:path';
import type { PageState } from './page-state.js';

const FILES = dirname(join(import.meta.dirname, '../page/page.js'));

/** The files of the page, by path. */
const TYPES: Readonly<Record<string, readonly [file: string, type: string]>> = {
  '/': ['page.html', 'text/html; charset=utf-8'],
  '/page.js': ['page.js', 'text/javascript; charset=utf-8'],
  '/page.css': ['page.css', 'text/css; charset=utf-8'],
};
const EVENTS = '/events';

/** Nothing of another address is loaded, and no other page has this one in a frame. */
const SAFE = {
  'Content-Security-Policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
  'X-Content-Type-Options': 'nosniff',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Referrer-Policy': 'no-referrer',
  'Cache-Control': 'no-store',
};

const EVERY_MS = 1000;
/** Browsers that are served at a time. */
export const WATCHERS_MAX = 32;
/** Bytes that a browser may be behind: one that takes nothing is dropped. */
const BEHIND_MAX = 4 << 20;

/** The page for browsers: three files, and a stream of states, one each second (server-sent events). */
export class Page {
  readonly #state: () => PageState | null;
  readonly #files: string;
  readonly #watchers = new Set<ServerResponse>();
  #timer: NodeJS.Timeout | null = null;

  /**
   * @param state What is shown now; null while the mount is being made.
   * @param files Folder of the page's files.
   */
  constructor(state: () => PageState | null, files = FILES) {
    this.#state = state;
    this.#files = files;
  }

  has(path: string): boolean {
    return path === EVENTS || Object.hasOwn(TYPES, path);
  }

  /** Answers a GET or HEAD for a path that it has. */
  async answer(path: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (path === EVENTS) {
      this.#watch(request, response);
      return;
    }
    const [file, type] = TYPES[path]!;
    const bytes = await readFile(join(this.#files, file));
    response.writeHead(200, { ...SAFE, 'Content-Type': type }).end(bytes);
  }

  close(): void {
    for (const response of this.#watchers) response.end();
    this.#watchers.clear();
    this.#stopIfAlone();
  }

  #watch(request: IncomingMessage, response: ServerResponse): void {
    if (this.#watchers.size >= WATCHERS_MAX) {
      response.writeHead(503, SAFE).end(`${WATCHERS_MAX} browsers watch already\n`);
      return;
    }
    response.writeHead(200, { ...SAFE, 'Content-Type': 'text/event-stream' });
    if (request.method === 'HEAD') {
      response.end();
      return;
    }
    this.#watchers.add(response);
    response.once('close', () => {
      this.#watchers.delete(response);
      this.#stopIfAlone();
    });
    this.#send([response]);
    this.#timer ??= setInterval(() => this.#send(this.#watchers), EVERY_MS).unref();
  }

  #stopIfAlone(): void {
    if (this.#watchers.size > 0 || this.#timer === null) return;
    clearInterval(this.#timer);
    this.#timer = null;
  }

  #send(watchers: Iterable<ServerResponse>): void {
    let text: string;
    try {
      text = `data: ${JSON.stringify(this.#state())}\n\n`;
    } catch {
      // A page that shows nothing new must not end the mount; the browser asks again.
      for (const response of watchers) response.destroy();
      return;
    }
    for (const response of watchers) {
      if (response.writableLength > BEHIND_MAX) response.destroy();
      else response.write(text);
    }
  }
}
