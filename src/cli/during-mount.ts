import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { ourMount } from '../fuse/mount-point.js';
import { endMount } from '../server/end-mount.js';
import { EXIT_DAEMON, SluiceError } from '../util/errors.js';
import { note } from './terminal.js';

/** As env(1) and shells have them. */
const CANNOT_RUN = 126;
const NOT_FOUND = 127;
/** Plus the number of the signal that has ended a command. */
const BY_SIGNAL = 128;

/**
 * Runs a command while files are mounted, and unmounts.
 *
 * @returns the exit code of the command
 * @throws SluiceError if the command went well, and the end of the mount did not
 */
export async function runDuring(command: readonly string[], mountpoint: string): Promise<number> {
  const code = await runCommand(command);
  // The command may be one that mounts over the folder where it was started.
  process.chdir('/');
  const problem = await unmounted(mountpoint);
  if (problem === null) return code;
  if (code === 0) throw problem;
  note(`sluice: mount: ${problem.message}`);
  return code;
}

function runCommand([program = '', ...words]: readonly string[]): Promise<number> {
  const child = spawn(program, words, { stdio: 'inherit' });
  // Of the terminal's keys the command hears by itself.
  const wait = (): void => {};
  const pass = (signal: NodeJS.Signals): void => void child.kill(signal);
  const handlers = [
    ...(['SIGINT', 'SIGQUIT'] as const).map((signal) => [signal, wait] as const),
    ...(['SIGTERM', 'SIGHUP', 'SIGUSR1', 'SIGUSR2'] as const).map((one) => [one, pass] as const),
  ];
  for (const [signal, handler] of handlers) process.on(signal, handler);
  return new Promise<number>((resolve) => {
    child.once('error', (error: NodeJS.ErrnoException) => {
      const isMissing = error.code === 'ENOENT';
      const what = isMissing ? 'no such command' : `it cannot be run (${error.code})`;
      note(`sluice: mount: ${program}: ${what}`);
      resolve(isMissing ? NOT_FOUND : CANNOT_RUN);
    });
    child.once('exit', (code, signal) => {
      resolve(code ?? BY_SIGNAL + (signal === null ? 0 : constants.signals[signal]));
    });
  }).finally(() => {
    for (const [signal, handler] of handlers) process.off(signal, handler);
  });
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
