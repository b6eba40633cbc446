import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { constants } from 'node:os';
import { ourMount } from '../fuse/mount-point.js';
import { endMount } from '../server/end-mount.js';
import { isInForeground } from '../sys/proc.js';
import { EXIT_DAEMON, SluiceError } from '../util/errors.js';
import { note } from './terminal.js';

/** As env(1) and shells have them. */
const CANNOT_RUN = 126;
const NOT_FOUND = 127;
/** Plus the number of the signal that has ended a command. */
const BY_SIGNAL = 128;

/** Signals that are for the command. */
const PASSED = ['SIGINT', 'SIGQUIT', 'SIGTERM', 'SIGHUP', 'SIGUSR1', 'SIGUSR2'] as const;
/** Those of them that keys of a terminal send. */
const KEYS: ReadonlySet<NodeJS.Signals> = new Set(['SIGINT', 'SIGQUIT']);

/** Passes signals on to a command, also those that come before it has started. */
export class CommandSignals {
  #child: ChildProcess | null = null;
  readonly #early: NodeJS.Signals[] = [];

  /** From now on no signal ends this process. */
  constructor() {
    for (const signal of PASSED) process.on(signal, this.#pass);
  }

  passTo(child: ChildProcess): void {
    this.#child = child;
    for (const signal of this.#early.splice(0)) child.kill(signal);
  }

  end(): void {
    for (const signal of PASSED) process.off(signal, this.#pass);
  }

  readonly #pass = (signal: NodeJS.Signals): void => {
    if (this.#child === null) this.#early.push(signal);
    // Of the terminal's keys the command hears by itself.
    else if (!KEYS.has(signal) || !isInForeground(process.pid)) this.#child.kill(signal);
  };
}

/**
 * Runs a command while files are mounted, and unmounts.
 *
 * @param signals Ended here.
 * @returns the exit code of the command
 * @throws SluiceError if the command went well, and the end of the mount did not
 */
export async function runDuring(
  command: readonly string[],
  mountpoint: string,
  signals: CommandSignals,
): Promise<number> {
  const code = await runCommand(command, signals);
  // The command may be one that mounts over the folder where it was started.
  process.chdir('/');
  const problem = await unmounted(mountpoint);
  if (problem === null) return code;
  if (code === 0) throw problem;
  note(`sluice: mount: ${problem.message}`);
  return code;
}

function runCommand(
  [program = '', ...words]: readonly string[],
  signals: CommandSignals,
): Promise<number> {
  return new Promise<number>((resolve) => {
    const failed = ({ code = 'EIO' }: NodeJS.ErrnoException): void => {
      const isMissing = code === 'ENOENT' || program === '';
      // A script whose first line names a program that there is not.
      const isThere = program.includes('/') && existsSync(program);
      const missing = isThere ? 'the program that runs it is not there' : 'no such command';
      note(`sluice: mount: ${program}: ${isMissing ? missing : `it cannot be run (${code})`}`);
      resolve(isMissing ? NOT_FOUND : CANNOT_RUN);
    };
    try {
      const child = spawn(program, words, { stdio: 'inherit' });
      child.once('error', failed);
      child.once('exit', (code, signal) => {
        resolve(code ?? BY_SIGNAL + (signal === null ? 0 : constants.signals[signal]));
      });
      signals.passTo(child);
    } catch (error) {
      // Some errors do not come as an event.
      failed(error as NodeJS.ErrnoException);
    }
  }).finally(() => signals.end());
}

/** Ends the mount, whoever still has its files open: it is there for the command. @returns why it did not end well */
async function unmounted(mountpoint: string): Promise<SluiceError | null> {
  try {
    // The command may have done it.
    if (ourMount(mountpoint) === null) return null;
    return wasDead(mountpoint, await endMount(mountpoint, false));
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error;
    if (error.errno !== 'EBUSY') return error;
    note(`sluice: mount: ${error.message.replace(/; [^;]*--force$/, '')}; unmounted all the same`);
  }
  try {
    return wasDead(mountpoint, await endMount(mountpoint, true));
  } catch (error) {
    if (error instanceof SluiceError) return error;
    throw error;
  }
}

function wasDead(mountpoint: string, ended: string): SluiceError | null {
  if (ended !== 'was-dead') return null;
  const what = 'its daemon died while the command ran; the dead mount has been removed';
  return new SluiceError(`${mountpoint}: ${what}`, 'EIO', EXIT_DAEMON);
}
