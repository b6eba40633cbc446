import { writeFileSync } from 'node:fs';
import inspector from 'node:inspector';
import { describeError, exitCodeOf } from '../util/errors.js';
import { conclude } from './conclusion.js';
import type { MountConfig } from './config.js';
import { EndRecord } from './end-record.js';
import { type Event, Lifecycle } from './lifecycle.js';
import type { Log } from './log.js';
import type { MountSession } from './mount-session.js';
import { ServiceManager } from './service-manager.js';
import { installSignals, type SignalAction } from './signals.js';

/** How a start tells of its progress. */
export interface Start {
  readonly record: EndRecord;
  readonly manager: Pick<ServiceManager, 'isThere' | 'passTo'>;
  /** The mount is to end already: the start need not go on. */
  isUnwanted(): boolean;
  /** The files can be used, and no end has been asked for. */
  isServing(): boolean;
  /** Another process is to go on with the mount, and nothing has come between. */
  isHandingOver(): boolean;
  readonly tell: (event: Event) => void;
  /** Mount and data plane are there. From here on the life cycle ends them. */
  mounted(session: Session): void;
}

/** A mount with its data plane, for the actions of the life cycle. */
export type Session = Pick<MountSession, keyof MountSession>;

/** Mounts and starts to serve. If it rejects, nothing is left open or mounted. */
export type Serve = (config: MountConfig, log: Log, start: Start) => Promise<void>;

/** Time for the mount to be detached after a crash or a second signal, before the process ends. */
const EXIT_GRACE_MS = 10_000;

/**
 * Serves a mount until it ends in this process.
 *
 * @param onReady Called once, when the files can be used.
 * @param record Where it says how it ended.
 * @throws The error of the conclusion; see `conclude`.
 */
export async function runDaemon(
  config: MountConfig,
  log: Log,
  serve: Serve,
  onReady: (session: Session) => void,
  record = new EndRecord(),
): Promise<void> {
  // See no-debugger.ts.
  inspector.close();
  // The name that pgrep, ps and messages about busy files show.
  writeFileSync('/proc/self/comm', 'sluice');
  const daemon = new Daemon(config, log, onReady, record);
  const removeSignals = installSignals(hangupAction(config), daemon.signal);
  process.on('uncaughtException', daemon.crash);
  try {
    await daemon.run(serve);
  } finally {
    removeSignals();
    process.off('uncaughtException', daemon.crash);
  }
}

/** A hang-up of the terminal is a request to end; without one it is the signal by which daemons are told to reload. */
function hangupAction({ foreground, source }: MountConfig): SignalAction {
  if (foreground && (source === null || process.stderr.isTTY === true)) return 'end';
  return source === null ? 'ignore' : 'reload';
}

const NS_PER_US = 1000n;

const ENDS_AT_ONCE: ReadonlySet<Event['kind']> = new Set(['abort', 'crashed']);

/** The life cycle of one mount, and its actions. */
class Daemon {
  readonly #config: MountConfig;
  readonly #log: Log;
  readonly #onReady: (session: Session) => void;
  readonly #record: EndRecord;
  readonly #lifecycle: Lifecycle;
  readonly #manager = new ServiceManager(process.env, process.pid);
  #session: Session | null = null;
  #exit: NodeJS.Timeout | undefined;
  #end!: () => void;

  constructor(
    config: MountConfig,
    log: Log,
    onReady: (session: Session) => void,
    record: EndRecord,
  ) {
    this.#record = record;
    this.#config = config;
    this.#log = log;
    this.#onReady = onReady;
    const closed = (): void => this.#lifecycle.tell({ kind: 'closed' });
    this.#lifecycle = new Lifecycle({
      announce: () => this.#announce(),
      unmount: () =>
        void this.#session!.unmount().then(() => this.#lifecycle.tell({ kind: 'unmounted' })),
      drain: () => {
        this.#manager.stopping();
        this.#session!.plane.drain();
      },
      flush: () => this.#session!.plane.flush(),
      close: () => {
        if (this.#mistake !== null && this.#session?.die(this.#mistake) === true) return;
        void this.#session?.close(this.#isQuiet).catch(this.crash).then(closed);
      },
      'let-go': () => void this.#session!.letGo().catch(this.crash).then(closed),
      'exit-soon': () => this.#exitSoon(),
      end: () => this.#end(),
    });
  }

  async run(serve: Serve): Promise<void> {
    const ended = new Promise<void>((resolve) => {
      this.#end = resolve;
    });
    const { tell } = this.#lifecycle;
    serve(this.#config, this.#log, {
      record: this.#record,
      manager: this.#manager,
      isUnwanted: () => this.#lifecycle.state !== 'starting',
      isServing: () => this.#lifecycle.state === 'serving',
      isHandingOver: () => this.#lifecycle.state === 'handing-over',
      tell,
      mounted: (session) => {
        this.#session = session;
        tell({ kind: 'mounted' });
      },
    }).catch((error) => tell({ kind: 'failed', error }));
    await ended;
    clearTimeout(this.#exit);
    const error = this.#conclude();
    if (error !== null) throw error;
  }

  readonly signal = (action: SignalAction, name: string): void => {
    if (action === 'report') this.#session?.report();
    else if (action === 'reload') void this.#reload();
    else if (action === 'reopen-log') this.#log.reopen?.();
    else if (action !== 'ignore') {
      const atOnce = action === 'end-now' || this.#lifecycle.isAsked;
      this.#log.info(`${name}: ${atOnce ? 'ending at once' : 'finishing'}`);
      this.#lifecycle.tell({ kind: atOnce ? 'abort' : 'terminate' });
    }
  };

  async #reload(): Promise<void> {
    this.#manager.reloading(process.hrtime.bigint() / NS_PER_US);
    await this.#session?.reload();
    this.#tellReady();
  }

  #tellReady(): void {
    const { images, plane } = this.#session!;
    const count = `${images.length} image${images.length === 1 ? '' : 's'}`;
    // An answer shows that the data plane takes its turns.
    const isAlive = () => plane.order({ kind: 'show-mount' });
    this.#manager.ready(`${count} at ${this.#config.mountpoint}`, isAlive);
  }

  /** A mistake of ours on the main thread: the mount is aborted rather than left hanging. */
  readonly crash = (error: unknown): void => {
    this.#log.error(`crashed: ${describeError(error)}`);
    const message = error instanceof Error ? error.message : String(error);
    this.#lifecycle.tell({ kind: 'crashed', message });
  };

  /** The mistake of ours that ends a mount which is in use; null: something else ends it. */
  get #mistake(): string | null {
    const { cause, wasServing, wasAsked } = this.#lifecycle.end;
    return cause.kind === 'crashed' && wasServing && !wasAsked ? cause.message : null;
  }

  /** The end came in order: the data plane has nothing under way. */
  get #isQuiet(): boolean {
    return !ENDS_AT_ONCE.has(this.#lifecycle.end.cause.kind);
  }

  #announce(): void {
    const paths = this.#config.images.map((image) => image.path);
    this.#log.info(`mounted ${paths.join(', ') || 'no image yet'}`);
    this.#onReady(this.#session!);
    this.#tellReady();
  }

  #exitSoon(): void {
    this.#exit ??= setTimeout(() => process.exit(exitCodeOf(this.#conclude())), EXIT_GRACE_MS);
    this.#exit.unref();
  }

  #conclude(): unknown {
    const { error, errors, info, record } = conclude(
      this.#lifecycle.end,
      this.#session?.images ?? this.#config.images,
    );
    for (const text of errors) this.#log.error(text);
    if (info !== null) this.#log.info(info);
    if (record !== undefined) this.#record.write(record);
    return error;
  }
}
