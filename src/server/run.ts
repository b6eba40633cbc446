import { writeFileSync } from 'node:fs';
import { errnoName, hostErrorText } from '../util/errno.js';
import { EXIT_DAEMON, EXIT_FAILED, SluiceError } from '../util/errors.js';
import type { MountConfig } from './config.js';
import { EndRecord } from './end-record.js';
import type { Log } from './log.js';
import type { EndReason, Served } from './served.js';
import { installSignals, type SignalAction } from './signals.js';

/** The signature of `serve` in serve.ts: resolves when the kernel has answered INIT. */
export type Serve = (config: MountConfig, log: Log, record: EndRecord) => Promise<Served>;

/** Ends the process when the mount cannot be ended in an orderly way any more. */
const CRASH_GRACE_MS = 2000;

/** Does what signals ask for. The first request to end is obeyed in order, the second at once. */
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

  act(action: SignalAction, name: string): void {
    if (action === 'report') this.#served?.report();
    else if (action === 'reopen-log') this.#log.reopen?.();
    else if (action !== 'ignore') this.#end(action, name);
  }

  #end(action: SignalAction, name: string): void {
    this.#signals += action === 'end-now' ? 2 : 1;
    this.#log.info(this.#signals === 1 ? `${name}: finishing` : `${name}: ending at once`);
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
  // The name that pgrep, ps and messages about busy files show.
  writeFileSync('/proc/self/comm', 'sluice');
  const record = new EndRecord();
  let served: Served | null = null;
  const removeSignals = installSignals(config.foreground, (action, name) =>
    stopper.act(action, name),
  );
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
