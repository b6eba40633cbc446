import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { type ErrorRecord, EXIT_FAILED, fromRecord, SluiceError } from '../util/errors.js';
import type { Log } from './log.js';
import type { AskedOverlay, LiveImage, Opened } from './open-live.js';

/** What the thread is asked for: see `openLive` and `changeAsked`. */
export type ToOpener =
  | { kind: 'open'; image: LiveImage }
  | { kind: 'overlay'; overlay: AskedOverlay };

/** Messages of the thread. */
export type FromOpener =
  | { kind: 'log'; level: 'info' | 'warn' | 'error'; text: string }
  | { kind: 'warning'; text: string }
  /** `opened` is null after a change of an overlay. */
  | { kind: 'done'; opened: Opened | null }
  | { kind: 'failed'; error: ErrorRecord };

/** So long the thread waits for the next image before it ends, and gives its memory back. */
const IDLE_MS = 1000;

/**
 * Opens images in a thread of its own: it may wait for locks or repair an image for minutes, and the
 * daemon's main thread has calls of the data plane to make meanwhile. (With fuse-native it is the data plane.)
 */
export class OpenThread {
  readonly #log: Log;
  #worker: Worker | null = null;
  #idle: NodeJS.Timeout | undefined;
  /** Connections by TLS have threads that it has started. */
  #hasTls = false;

  constructor(log: Log) {
    this.#log = log;
  }

  /**
   * Opens an image: see `openLive`. One call at a time, of all.
   * @throws SluiceError
   */
  async open(image: LiveImage, warn: (text: string) => void): Promise<Opened> {
    const opened = await this.#ask({ kind: 'open', image }, image.options.images[0]!.path, warn);
    return opened!;
  }

  /**
   * Commits or resets the overlay of an image that is not attached: see `changeOverlay`.
   * @throws SluiceError
   */
  async change(overlay: AskedOverlay, warn: (text: string) => void): Promise<void> {
    await this.#ask({ kind: 'overlay', overlay }, overlay.image.path, warn);
  }

  #ask(asked: ToOpener, path: string, warn: (text: string) => void): Promise<Opened | null> {
    clearTimeout(this.#idle);
    this.#worker ??= this.#start();
    const worker = this.#worker;
    return new Promise<Opened | null>((resolve, reject) => {
      const ended = (): void => {
        worker.removeAllListeners('message');
        if (this.#hasTls) return;
        this.#idle = setTimeout(() => void this.end(), IDLE_MS).unref();
      };
      const died = (error: Error): void => {
        this.#worker = null;
        reject(
          new SluiceError(`${path}: cannot be opened: ${error.message}`, 'EIO', EXIT_FAILED, error),
        );
      };
      worker.removeAllListeners('error').once('error', died);
      worker.on('message', (message: FromOpener) => {
        if (message.kind === 'log') this.#log[message.level](message.text);
        else if (message.kind === 'warning') warn(message.text);
        else {
          const opened = message.kind === 'done' ? message.opened : null;
          if (opened !== null) this.#hasTls ||= usesTls(opened);
          ended();
          if (message.kind === 'done') resolve(message.opened);
          else reject(fromRecord(message.error));
        }
      });
      // It must not keep the process alive when the mount is gone. A new listener undoes an earlier unref.
      worker.unref();
      worker.postMessage(asked);
    });
  }

  /** Ends the thread. The next image starts it again. */
  async end(): Promise<void> {
    clearTimeout(this.#idle);
    const worker = this.#worker;
    this.#worker = null;
    await worker?.terminate();
  }

  #start(): Worker {
    return new Worker(join(import.meta.dirname, '../server/open-worker.js'), {
      name: 'sluice-open',
      // What it has opened stays open when it ends.
      trackUnmanagedFds: false,
    });
  }
}

function usesTls({ image }: Opened): boolean {
  return image.disk.image.files.some(({ nbd }) => nbd !== undefined && nbd.target.tls !== null);
}
