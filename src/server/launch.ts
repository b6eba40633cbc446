import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync } from 'node:fs';
import { join } from 'node:path';
import { PLAIN_NODE } from '../sys/run-program.js';
import {
  type ErrorRecord,
  EXIT_DAEMON,
  EXIT_FAILED,
  fromRecord,
  SluiceError,
  sentenceOf,
} from '../util/errors.js';
import type { MountConfig } from './config.js';
import { findLogFile, openLogFile } from './log.js';
import { detachIfDead } from './status.js';

/**
 * Messages of the daemon process to the command that started it: its progress, any number of times,
 * and the outcome, once. The command sends one MountConfig and nothing else.
 */
export type FromDaemon =
  /** Mounting takes long. The text is for people. */
  { kind: 'progress'; text: string } | Outcome;

/** How mounting came out. */
export type Outcome =
  /** The kernel has answered INIT: the files can be used. */
  | { kind: 'ready'; notice?: string }
  /** Nothing is mounted; the daemon exits. */
  | ({ kind: 'failed' } & ErrorRecord);

/**
 * Start-up takes 0.1 s. The limit is for a machine that swaps, and against waiting for ever. Each
 * message of progress starts the time again.
 */
const READY_LIMIT_MS = 30_000;

/** Environment variable that gives libuv's pool its size; read at its first use. */
const POOL_SIZE = 'UV_THREADPOOL_SIZE';
/**
 * Threads for host files: as many requests as a disk is given at once. Idle ones cost 20 KB each;
 * 4, libuv's own number, would hold back a disk that can do more.
 */
const POOL_THREADS = 16;

/** The program of the daemon process. */
const DAEMON_PROGRAM = join(import.meta.dirname, '../server/main.js');

function openLog(asked: string | null): { fd: number; path: string } {
  try {
    const path = findLogFile(asked);
    return { fd: openLogFile(path), path };
  } catch (error) {
    const { code = 'EIO', path } = error as NodeJS.ErrnoException;
    const message = `${path}: the log cannot be opened (${code}); choose another place with --log FILE`;
    throw new SluiceError(message, code, EXIT_FAILED, error);
  }
}

function start(config: MountConfig, program: string, log: number): ChildProcess {
  // The mount point is an argument so that `ps` shows it and umount can find the process by it.
  return spawn(process.execPath, [program, config.mountpoint], {
    cwd: '/',
    detached: true,
    stdio: ['ignore', log, log, 'ipc'],
    argv0: 'sluice',
    // Only fuse-native uses the pool for data; for others its threads never start.
    env: { [POOL_SIZE]: String(POOL_THREADS), ...process.env, ...PLAIN_NODE },
    serialization: 'advanced', // limits may be Infinity, which JSON cannot carry
  });
}

function exitError(code: number | null, signal: string | null, logFile: string): SluiceError {
  const how = signal === null ? `with code ${code}` : `by ${signal}`;
  const message = `the daemon ended ${how} before the mount was ready; see ${logFile}`;
  return new SluiceError(message, 'EIO', EXIT_DAEMON);
}

/** Waits for the daemon's last word, for its end, or for its silence, whichever is first. */
function outcome(
  child: ChildProcess,
  logFile: string,
  limitMs: number,
  progress: (text: string) => void,
): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      const seconds = limitMs / 1000;
      const message = `the mount was not ready after ${seconds} s and was given up; see ${logFile}`;
      reject(new SluiceError(message, 'ETIMEDOUT', EXIT_DAEMON));
    }, limitMs).unref();
    child.on('message', (word) => {
      const message = word as FromDaemon;
      if (message.kind === 'progress') {
        timer.refresh();
        progress(message.text);
        return;
      }
      clearTimeout(timer);
      resolve(message);
    });
    child.once('error', (error) => {
      const message = `the daemon cannot be started: ${sentenceOf(error)}`;
      reject(new SluiceError(message, 'EAGAIN', EXIT_FAILED, error));
    });
    // Not `exit`, which may overtake a last message: `close` comes after the channel is drained.
    child.once('close', (code, signal) => reject(exitError(code, signal, logFile)));
    for (const event of ['error', 'close']) child.once(event, () => clearTimeout(timer));
  });
}

/** While the command waits, Ctrl-C and SIGTERM go to the daemon, which has its own session. */
function passSignals(child: ChildProcess): () => void {
  const pass = (signal: NodeJS.Signals): void => void child.kill(signal);
  process.on('SIGINT', pass).on('SIGTERM', pass);
  return () => void process.off('SIGINT', pass).off('SIGTERM', pass);
}

/** Lets this process end while the daemon lives on. */
function letGo(child: ChildProcess): void {
  if (child.connected) child.disconnect();
  child.removeAllListeners();
  child.unref();
}

/**
 * Starts the daemon in the background and resolves when the files can be used, with a line for the
 * user if there is something to tell.
 *
 * @param progress Called with how far it is, where it takes long.
 * @param prepare Checks and completes the configuration while the daemon loads its program. A daemon
 *   that gets no configuration ends.
 * @throws SluiceError the error that the daemon reports; EIO or ETIMEDOUT with EXIT_DAEMON if it reports
 *   nothing
 */
export async function launch(
  config: MountConfig,
  program = DAEMON_PROGRAM,
  limitMs = READY_LIMIT_MS,
  progress: (text: string) => void = () => {},
  prepare: () => Promise<MountConfig> = async () => config,
): Promise<string | undefined> {
  const log = openLog(config.logFile);
  const child = start(config, program, log.fd);
  closeSync(log.fd);
  const restoreSignals = passSignals(child);
  try {
    const waiting = outcome(child, log.path, limitMs, progress);
    // A failed send means that the process died; `close` tells so with its code.
    // A child that could not be started has no channel; `error` comes then.
    const sent = prepare().then((prepared) => child.send?.(prepared, () => {}));
    const told = await Promise.race([waiting, sent.then(() => waiting)]);
    if (told.kind === 'failed') throw fromRecord(told);
    return told.notice;
  } catch (error) {
    // A daemon that reported its failure has cleaned up; one that died may have left a dead mount. A mount
    // that answers is somebody else's.
    await detachIfDead(config.mountpoint);
    throw error;
  } finally {
    restoreSignals();
    letGo(child);
  }
}
