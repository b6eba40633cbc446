import { errnoName, hostErrorText } from '../util/errno.js';
import { EXIT_DAEMON, EXIT_FAILED, SluiceError } from '../util/errors.js';
import type { MountConfig } from './config.js';
import { EndRecord } from './end-record.js';
import type { Log } from './log.js';
import type { EndReason, Served } from './served.js';

/** The signature of `serve` in serve.ts: resolves when the kernel has answered INIT. */
export type Serve = (config: MountConfig, log: Log, record: EndRecord) => Promise<Served>;

/** Ends the process when the mount cannot be ended in an orderly way any more. */
const CRASH_GRACE_MS = 2000;

/** Turns signals into `stop`: the first in order, the second at once. */
class Stopper {
  #served: Served | null = null;
  #signals = 0;
  readonly #log: Log;

  constructor(log: Log) {
    this.#log = log;
  }

  /** False if a signal came before the mount was there: it is being stopped already. */
  attach(served: Served): boolean {
    this.#served = served;
    if (this.#signals > 0) this.#stop();
    return this.#signals === 0;
  }

  signal(name: string): void {
    this.#signals += 1;
    this.#log.info(this.#signals === 1 ? `${name}: finishing` : `${name} again: ending at once`);
    this.#stop();
  }

  #stop(): void {
    this.#served?.stop(this.#signals > 1).catch((error: unknown) => {
      this.#log.error(`stopping: ${describe(error)}`);
    });
  }
}

function describe(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

/** Installs the signal handlers of a daemon; returns what removes them. */
function installSignals(stopper: Stopper, foreground: boolean): () => void {
  const stop = (signal: NodeJS.Signals): void => stopper.signal(signal);
  const ignore = (): void => {};
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  // In the background the terminal may go away; in the foreground that is a request to end.
  const hangup = foreground ? stop : ignore;
  process.on('SIGHUP', hangup);
  return () => {
    process.off('SIGTERM', stop);
    process.off('SIGINT', stop);
    process.off('SIGHUP', hangup);
  };
}

/**
 * A mistake of ours on the main thread: abort the mount rather than leave it hanging. The process
 * ends in any case.
 */
function installCrashHandler(log: Log, served: () => Served | null): () => void {
  const crash = (error: unknown): void => {
    log.error(`crashed: ${describe(error)}`);
    setTimeout(() => process.exit(EXIT_DAEMON), CRASH_GRACE_MS).unref();
    const stopped = served()?.stop(true) ?? Promise.resolve();
    stopped.catch(() => {}).finally(() => process.exit(EXIT_DAEMON));
  };
  process.on('uncaughtException', crash);
  return () => process.off('uncaughtException', crash);
}

/** Logs how the mount ended. @returns What the command fails with; null when all is on disk. */
function finish(reason: EndReason, { images }: MountConfig, log: Log): SluiceError | null {
  if (reason.kind !== 'unmounted') {
    log.error(reason.message);
    const message = `the daemon died: ${reason.message}; the mount has been aborted`;
    return new SluiceError(message, 'EIO', EXIT_DAEMON);
  }
  const sentences = reason.unflushed.map(({ name, errno }) => {
    const path = images.find((image) => image.name === name)?.path ?? name;
    const why = hostErrorText(errno);
    return `${path}: its last writes could not be flushed: ${why}; they may be lost`;
  });
  for (const sentence of sentences) log.error(sentence);
  log.info('unmounted');
  if (sentences.length === 0) return null;
  const errno = errnoName(reason.unflushed[0]!.errno);
  return new SluiceError(sentences.join('; '), errno, EXIT_FAILED);
}

/**
 * Serves a mount until it ends, in this process.
 *
 * @param onReady called once, when the files can be used
 * @throws SluiceError what `serve` throws; EIO with EXIT_DAEMON when the data plane dies; the host's
 *   errno with EXIT_FAILED when not everything could be flushed
 */
export async function runDaemon(
  config: MountConfig,
  log: Log,
  serve: Serve,
  onReady: (served: Served) => void,
): Promise<void> {
  const stopper = new Stopper(log);
  const record = new EndRecord();
  let served: Served | null = null;
  const removeSignals = installSignals(stopper, config.foreground);
  const removeCrashHandler = installCrashHandler(log, () => served);
  try {
    served = await serve(config, log, record);
    log.info(`mounted ${config.images.map((image) => image.path).join(', ')}`);
    const wanted = stopper.attach(served);
    if (wanted) onReady(served);
    const failure = finish(await served.ended, config, log);
    record.write(failure);
    if (failure !== null) throw failure;
    if (!wanted) throw new SluiceError('interrupted', 'EINTR', EXIT_FAILED);
  } finally {
    removeSignals();
    removeCrashHandler();
  }
}
