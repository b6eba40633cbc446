/** Exit codes of `sluice`: an interface for scripts. Numbers are never reused. */
export const EXIT_OK = 0;
/** The operation failed. */
export const EXIT_FAILED = 1;
/** Wrong usage: unknown option, malformed value, unknown group. */
export const EXIT_USAGE = 2;
/** Image refused: unknown feature, corrupt, locked. */
export const EXIT_IMAGE = 3;
/** Cannot mount: no /dev/fuse, no permission, mount point missing or busy. */
export const EXIT_MOUNT = 4;
/** The daemon died. */
export const EXIT_DAEMON = 5;

/**
 * An error of the control path. The message is one sentence that names the object, says what is
 * wrong and, where it helps, what to do; `sluice: COMMAND: ` is put before it by the command line.
 */
export class SluiceError extends Error {
  /** Name of the errno that fits best, for instance `ENOENT`. */
  readonly errno: string;
  /** One of the EXIT_ constants above. */
  readonly exitCode: number;

  constructor(message: string, errno: string, exitCode: number, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'SluiceError';
    this.errno = errno;
    this.exitCode = exitCode;
  }
}

/** The exit code of a process that ends with `error`; null: it ends well. */
export function exitCodeOf(error: unknown): number {
  if (error === null) return EXIT_OK;
  return error instanceof SluiceError ? error.exitCode : EXIT_FAILED;
}

/** An error for the log: with its stack, where it has one. */
export function describeError(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

/** An error in something that the user wrote. */
export function refuse(message: string, errno = 'EINVAL'): SluiceError {
  return new SluiceError(message, errno, EXIT_USAGE);
}

/** Runs `run`, and puts the name of the option or file that it is about before its error. */
export function naming<T>(name: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error;
    throw new SluiceError(`${name}: ${error.message}`, error.errno, error.exitCode, error);
  }
}
