import { ignoreSignal } from '../sys/libc.js';

/** The effect of a signal on a daemon. */
export type SignalAction =
  /** Ends the mount in order; the second time at once. */
  | 'end'
  /** Ends the mount at once. */
  | 'end-now'
  /** Writes the figures of all groups to the log. */
  | 'report'
  /** Opens the log file again, after it was moved away. */
  | 'reopen-log'
  /** Reads the configuration file again. */
  | 'reload'
  /** Nothing: a signal that is not meant to end a daemon must not leave a dead mount behind. */
  | 'ignore';

/**
 * Every signal that Node.js lets a program handle and that would end the process otherwise. SIGPIPE is
 * ignored by Node.js itself; SIGKILL cannot be handled; those of faults (SIGSEGV, SIGBUS, SIGFPE, SIGILL,
 * SIGABRT, SIGSYS, SIGTRAP) end the daemon.
 */
const ACTIONS: readonly (readonly [NodeJS.Signals, SignalAction])[] = [
  ['SIGTERM', 'end'],
  ['SIGINT', 'end'],
  ['SIGQUIT', 'end-now'],
  // Power is failing; the limit of CPU time is near.
  ['SIGPWR', 'end'],
  ['SIGXCPU', 'end'],
  ['SIGUSR1', 'report'],
  ['SIGUSR2', 'reopen-log'],
  ['SIGALRM', 'ignore'],
  ['SIGVTALRM', 'ignore'],
  ['SIGPROF', 'ignore'],
  ['SIGIO', 'ignore'],
  ['SIGSTKFLT', 'ignore'],
  // A write beyond the limit of file sizes then fails with EFBIG.
  ['SIGXFSZ', 'ignore'],
];

/** SIGRTMIN and SIGRTMAX of glibc, which keeps the two before for itself. */
const REAL_TIME = { first: 34, last: 64 };

/**
 * Installs the signal handlers of a daemon; returns a function that removes them. Signals without a name
 * stay ignored.
 *
 * @param hangup What SIGHUP does.
 */
export function installSignals(
  hangup: SignalAction,
  act: (action: SignalAction, signal: string) => void,
): () => void {
  for (let number = REAL_TIME.first; number <= REAL_TIME.last; number++) ignoreSignal(number);
  const removers = [...ACTIONS, ['SIGHUP', hangup] as const].map(([signal, action]) => {
    const handler = (): void => act(action, signal);
    process.on(signal, handler);
    return () => process.off(signal, handler);
  });
  return () => {
    for (const remove of removers) remove();
  };
}
