import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { ConnectorData, FromConnector } from '../host/nbd-connect-worker.js';
import type { NbdExport, NbdNews } from '../host/nbd-export.js';
import type { Log } from './log.js';

/** A connection that is lost sooner has brought nothing: the time goes on that requests have waited. */
const STABLE_MS = 5000;

interface Loss {
  /** Since when requests wait, and when there was a connection last; milliseconds of the clock. */
  since: number;
  connected: number;
  /** A word that the thread looks at: not 0, and it ends. */
  stop: Int32Array;
  timer: NodeJS.Timeout | undefined;
}

/** Makes new connections for those that were lost. A thread waits for the server, not this one. */
export class NbdReconnect {
  readonly #log: Log;
  readonly #tell: (news: NbdNews) => void;
  readonly #losses = new Map<number, Loss>();

  /** @param tell Called with the answers, never from within `lost`. */
  constructor(log: Log, tell: (news: NbdNews) => void) {
    this.#log = log;
    this.#tell = tell;
  }

  /**
   * All connections to an export are lost. If there is no new one within its time, `nbd-failed` is told, and
   * sooner or later `nbd-connected`.
   */
  lost(one: NbdExport, why: string): void {
    const { id, target, timeoutMs } = one;
    const { uri } = target;
    const now = performance.now();
    const last = this.#losses.get(id) ?? newLoss(now);
    if (now - last.connected > STABLE_MS) {
      last.since = now;
      this.#log.warn(`${uri}: ${why}; connecting again`);
    }
    this.#losses.set(id, last);
    const failed = (): void => {
      const seconds = timeoutMs / 1000;
      this.#log.error(
        `${uri}: no connection for ${seconds} s: requests fail with EIO until there is one`,
      );
      this.#tell({ kind: 'nbd-failed', id });
    };
    last.timer = setTimeout(failed, Math.max(0, last.since + timeoutMs - now)).unref();
    const worker = new Worker(join(import.meta.dirname, '../host/nbd-connect-worker.js'), {
      workerData: { one, stop: last.stop } satisfies ConnectorData,
      name: 'sluice-connect',
    });
    worker.on('message', (message: FromConnector) => {
      if (message.kind === 'problem') {
        this.#log.warn(message.text);
        return;
      }
      clearTimeout(last.timer);
      last.connected = performance.now();
      if (Atomics.load(last.stop, 0) !== 0) {
        this.#tell({ ...message, kind: 'nbd-connected', id });
        return;
      }
      const seconds = ((last.connected - now) / 1000).toFixed(1);
      this.#log.info(`${uri}: connected again after ${seconds} s`);
      this.#tell({ ...message, kind: 'nbd-connected', id });
    });
    worker.on('error', (error) => this.#log.error(`${uri}: ${error.message}`));
    // It must not keep the process alive when the mount is gone.
    worker.unref();
  }

  /** The export is used no more. A connection that is made all the same is told. */
  left({ id }: NbdExport): void {
    const last = this.#losses.get(id);
    if (last === undefined) return;
    this.#losses.delete(id);
    clearTimeout(last.timer);
    Atomics.store(last.stop, 0, 1);
    Atomics.notify(last.stop, 0);
  }
}

function newLoss(now: number): Loss {
  const stop = new Int32Array(new SharedArrayBuffer(4));
  return { since: now, connected: Number.NEGATIVE_INFINITY, stop, timer: undefined };
}
