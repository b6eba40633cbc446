import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { isIP } from 'node:net';
import { hostname } from 'node:os';
import { openMetricsContentType, prometheusContentType } from 'prom-client';
import { EXIT_FAILED, SluiceError } from '../util/errors.js';
import { type Deadlines, keepDeadlines, withoutLooks } from './client-deadlines.js';
import type { MetricsAddress } from './config.js';
import type { Observation } from './metric-rows.js';
import { MetricTable } from './metric-table.js';
import { Page } from './page.js';
import type { PageState } from './page-state.js';
import type { PageWriter } from './page-writer.js';

const PATH = '/metrics';
const HINT = 'metrics are at /metrics, a page is at /';
const TEXT = 'text/plain; charset=utf-8';
/** Those that Node.js has. */
const DEADLINES: Deadlines = { headersMs: 60_000, requestMs: 300_000, idleMs: 5000 };

/**
 * Whether a request may have come from a page of another site: a browser that was told a foreign name for
 * this address (DNS rebinding) sends that name. An IP address cannot be told so.
 *
 * @param host The header Host.
 * @param own The name or address that the server listens on.
 */
export function isForeign(host: string | undefined, own: string): boolean {
  const name = (host ?? '').replace(/:[0-9]+$/, '').toLowerCase();
  const bare = name.replace(/^\[(.*)\]$/, '$1');
  if (isIP(bare) !== 0) return false;
  return ![own, 'localhost', hostname()].some((known) => known.toLowerCase() === name);
}

/**
 * Metrics over HTTP, for Prometheus and others. A scrape reads shared memory; the data plane has no part
 * in it.
 */
export class MetricsServer {
  readonly #own: string;
  readonly #server: Server;
  /** By format, and whether callers are among them. */
  readonly #tables = [openMetricsContentType, prometheusContentType].map((type) =>
    [false, true].map((withCallers) => new MetricTable(type, withCallers)),
  );
  /** What is shown; null while the mount is being made. */
  observe: (() => Observation) | null = null;
  /** What the page shows; null while the mount is being made. */
  look: (() => PageState) | null = null;
  readonly #page: Page;
  /** Null: the page only shows. */
  readonly #writer: PageWriter | null;

  private constructor(own: string, server: Server, writer: PageWriter | null, files?: string) {
    this.#writer = writer;
    this.#page = new Page(() => this.look?.() ?? null, files);
    this.#own = own;
    this.#server = server;
    server.on('request', (request, response) => {
      // Whatever is wrong with an answer, for instance a file of the page that is gone: the mount goes on.
      this.#answer(request, response).catch((error: Error) => {
        if (response.headersSent) response.destroy();
        else response.writeHead(500, { 'Content-Type': TEXT }).end(`${error.message}\n`);
      });
    });
    // Nor does a connection that cannot be taken, for want of files or memory of the host, end it.
    server.on('error', () => {});
    // The mount alone decides when the process ends.
    server.unref();
    server.on('connection', (socket) => socket.unref());
  }

  /**
   * Listens. Throws SluiceError naming the option, for instance EADDRINUSE.
   * @param writer Makes the changes that the page asks for; null: it only shows.
   * @param files Folder of the page's files; missing: that of the program.
   */
  static async listen(
    { host, port }: MetricsAddress,
    writer: PageWriter | null = null,
    files?: string,
  ): Promise<MetricsServer> {
    const server = createServer(withoutLooks(DEADLINES));
    keepDeadlines(server, DEADLINES, (connection) => connection.destroy());
    await new Promise<void>((resolve, reject) => {
      server.once('error', (error: NodeJS.ErrnoException) => {
        const { code = 'EIO' } = error;
        const why = code === 'EADDRINUSE' ? 'the port is in use' : error.message;
        reject(new SluiceError(`--metrics ${host}:${port}: ${why}`, code, EXIT_FAILED));
      });
      server.listen(port, host, resolve);
    });
    return new MetricsServer(host, server, writer, files);
  }

  close(): void {
    this.#page.close();
    this.#server.close();
    this.#server.closeAllConnections();
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const refuse = (status: number, why: string): void => {
      response.writeHead(status, { 'Content-Type': TEXT }).end(`${why}\n`);
    };
    const { url = '', method, headers } = request;
    if (isForeign(headers.host, this.#own)) {
      return refuse(421, `this is ${this.#own}, not ${headers.host ?? 'a host without a name'}`);
    }
    const [path, query = ''] = url.split('?');
    if (this.#writer?.has(path!)) return this.#writer.answer(path!, request, response);
    if (path !== PATH && !this.#page.has(path!)) return refuse(404, HINT);
    if (method !== 'GET' && method !== 'HEAD') return refuse(405, 'what is here can only be read');
    if (path !== PATH) return this.#page.answer(path!, request, response);
    if (this.observe === null) return refuse(503, 'not mounted yet');
    const wantsOpen = headers.accept?.includes('application/openmetrics-text') === true;
    const withCallers = new URLSearchParams(query).get('callers') === '1';
    const table = this.#tables[wantsOpen ? 0 : 1]![withCallers ? 1 : 0]!;
    const text = await table.text(this.observe());
    response.writeHead(200, { 'Content-Type': table.contentType }).end(text);
  }
}
