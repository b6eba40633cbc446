import './no-debugger.js';
import './inlining.js';
import './compile-cache.js';
import { showAs } from '../sys/command-line.js';
import { STDERR, STDOUT } from '../sys/constants.js';
import { Deadline } from '../sys/deadline.js';
import { dup2 } from '../sys/libc.js';
import { letGoOfPrograms } from '../sys/own-pages.js';
import {
  describeError,
  EXIT_FAILED,
  EXIT_OK,
  exitCodeOf,
  recordOf,
  SluiceError,
  sentenceOf,
} from '../util/errors.js';
import { KEEPER, type MountConfig } from './config.js';
import type { EndRecord } from './end-record.js';
import type { FromDaemon, Outcome } from './launch.js';
import { type Log, logAgain, logLine, logOf } from './log.js';
import { runDaemon, type Serve } from './run.js';
import { serve } from './serve.js';
import { installSignals, type SignalAction } from './signals.js';
import type { ToSuccessor } from './successor.js';

/**
 * The daemon process, started by launch.ts: receives one MountConfig, reports readiness or failure
 * once, then serves until the mount ends. stdout and stderr are the log.
 */

/** A daemon that goes on after a death and does not serve by then hangs. Seconds. */
const START_LIMIT_S = 30;

/** From the start of a mount until all is loaded that it needs, milliseconds. */
const SETTLE_MS = 2000;

const ENDS: ReadonlySet<SignalAction> = new Set(['end', 'end-now']);

type TakeOver = Extract<ToSuccessor, { kind: 'take-over' }>;

function send(message: FromDaemon): Promise<void> {
  return new Promise((resolve) => {
    if (process.send === undefined || !process.connected) resolve();
    // An error means that the command is gone; a mount that is ready stays.
    else process.send(message, undefined, undefined, () => resolve());
  });
}

function failure(error: unknown): Outcome {
  return { kind: 'failed', ...recordOf(error) };
}

async function main(config: MountConfig, how: Serve, record?: EndRecord): Promise<number> {
  const log: Log = {
    ...(record === undefined ? logOf(config) : logAgain(config)),
    progress: (text) => void send({ kind: 'progress', text }),
  };
  let ready = false;
  try {
    const onReady = ({ notice }: { notice?: string | undefined }): void => {
      ready = true;
      void send({ kind: 'ready', ...(notice === undefined ? {} : { notice }) });
      setTimeout(letGoOfPrograms, SETTLE_MS).unref();
    };
    await runDaemon(config, log, how, onReady, record);
    return EXIT_OK;
  } catch (error) {
    // After readiness the error is in the log, and the command is gone.
    if (!ready) {
      log.error(error instanceof SluiceError ? error.message : describeError(error));
      await send(failure(error));
    }
    return exitCodeOf(error);
  }
}

/** Begins a mount, or goes on with one that another process serves. */
async function begin(first: MountConfig | TakeOver): Promise<number> {
  if (!('kind' in first)) return main(first, serve);
  // Loaded only here: few daemons begin so.
  const { succeed } = await import('./take-over.js');
  const { config, serve: goOn, record } = await succeed(first);
  return main(config, goOn, record);
}

/**
 * Goes on with the mount of a process that has died. A signal that comes before there is a life cycle is sent again when there
 * is: otherwise the process would die of it, and the keeper start another one.
 */
async function resumed([keeper, wish]: readonly string[]): Promise<number> {
  // The keeper says in a line what Node.js says of a program that it cannot load.
  dup2(STDOUT, STDERR);
  // As those that a daemon starts.
  showAs(['sluice', ...process.argv.slice(1)]);
  const deadline = new Deadline(START_LIMIT_S);
  let asked = wish === 'end' ? 'SIGTERM' : null;
  const removeSignals = installSignals('ignore', (action, signal) => {
    if (ENDS.has(action)) asked ??= signal;
  });
  const { endStarter, resume } = await import('./resume.js');
  endStarter(Number(keeper));
  const { config, serve: goOn, record } = await resume(Number(keeper), deadline);
  const running = main(config, goOn, record);
  removeSignals();
  if (asked !== null) process.kill(process.pid, asked);
  return running;
}

function end(running: Promise<number>): void {
  running.then(
    (code) => process.exit(code),
    (error: unknown) => {
      // Only the log itself can have failed, or the way to the mount of another process.
      if (process.send === undefined) {
        const text = `error: ${sentenceOf(error)}`;
        process.stderr.write(logLine(new Date(), process.pid, process.argv[2] ?? '', text));
      }
      send(failure(error)).finally(() => process.exit(EXIT_FAILED));
    },
  );
}

let started = false;
const keeper = process.env[KEEPER];
// Of no use to the programs that this one starts.
delete process.env[KEEPER];
if (keeper !== undefined) {
  started = true;
  end(resumed(keeper.split(' ')));
}
process.once('message', (first) => {
  started = true;
  end(begin(first as MountConfig | TakeOver));
});
process.once('disconnect', () => {
  // The command died before it sent a configuration.
  if (!started) process.exit(EXIT_FAILED);
});
