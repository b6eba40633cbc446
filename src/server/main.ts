import './no-debugger.js';
import './compile-cache.js';
import {
  describeError,
  EXIT_FAILED,
  EXIT_OK,
  exitCodeOf,
  recordOf,
  SluiceError,
} from '../util/errors.js';
import type { MountConfig } from './config.js';
import type { FromDaemon, Outcome } from './launch.js';
import { fileLog, findLogFile, type Log } from './log.js';
import { runDaemon } from './run.js';
import { serve } from './serve.js';

/**
 * The daemon process, started by launch.ts: receives one MountConfig, reports readiness or failure
 * once, then serves until the mount ends. stdout and stderr are the log.
 */

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

async function main(config: MountConfig): Promise<number> {
  const log: Log = {
    ...fileLog(findLogFile(config.logFile), config.mountpoint),
    progress: (text) => void send({ kind: 'progress', text }),
  };
  let ready = false;
  try {
    await runDaemon(config, log, serve, ({ notice }) => {
      ready = true;
      void send({ kind: 'ready', ...(notice === undefined ? {} : { notice }) });
    });
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

let started = false;
process.once('message', (config) => {
  started = true;
  main(config as MountConfig).then(
    (code) => process.exit(code),
    (error: unknown) => {
      // Only the log itself can have failed.
      send(failure(error)).finally(() => process.exit(EXIT_FAILED));
    },
  );
});
process.once('disconnect', () => {
  // The command died before it sent a configuration.
  if (!started) process.exit(EXIT_FAILED);
});
