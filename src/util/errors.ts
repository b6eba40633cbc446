/** Exit codes of `sluice`. Scripts rely on them, so they are stable. */
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
 * An error with an exit code. The message is one sentence: it names the object and the fault and, if that
 * helps, the remedy. The command line puts `sluice: COMMAND: ` before it.
 */
export class SluiceError extends Error {
  /** Name of the closest errno, for instance `ENOENT`. */
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

/** An error as another process is told of it. */
export interface ErrorRecord {
  message: string;
  errno: string;
  exitCode: number;
}

/** What is told where a process or the machine has no descriptor left, by the code of the error. */
export const NO_DESCRIPTORS: Readonly<Record<string, string>> = {
  EMFILE: 'too many open files; raise `ulimit -n`',
  ENFILE: 'too many open files on this machine; raise the sysctl fs.file-max',
};

/** An error in a sentence. One of the system is told as it is: Node.js has put the call and the file into it. */
export function sentenceOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { code } = error as NodeJS.ErrnoException;
  return (code !== undefined && NO_DESCRIPTORS[code]) || error.message;
}

/** Any error as a record. */
export function recordOf(error: unknown): ErrorRecord {
  const message = sentenceOf(error);
  const errno = error instanceof SluiceError ? error.errno : 'EIO';
  return { message, errno, exitCode: exitCodeOf(error) };
}

/** The error of a record. */
export function fromRecord({ message, errno, exitCode }: ErrorRecord): SluiceError {
  return new SluiceError(message, errno, exitCode);
}

/** The exit code of a process that ends with `error`; null for success. */
export function exitCodeOf(error: unknown): number {
  if (error === null) return EXIT_OK;
  return error instanceof SluiceError ? error.exitCode : EXIT_FAILED;
}

/** An error with its stack, for the log; without, where the system lacks descriptors. */
export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { code = '' } = error as NodeJS.ErrnoException;
  return NO_DESCRIPTORS[code] ?? error.stack ?? error.message;
}

/** The error for wrong usage. */
export function refuse(message: string, errno = 'EINVAL'): SluiceError {
  return new SluiceError(message, errno, EXIT_USAGE);
}

/** Our sentences tell the remedy after the fault. */
export const REMEDY = '; ';

/** The same error with a remedy that its reader has. An error without one stays as it is. */
export function withRemedy(error: SluiceError, remedy: string): SluiceError {
  const at = error.message.indexOf(REMEDY);
  if (at < 0) return error;
  const message = error.message.slice(0, at) + REMEDY + remedy;
  return new SluiceError(message, error.errno, error.exitCode, error);
}

/** Runs `run` and puts the name of an option or file before the message of its error. */
export function naming<T>(name: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error;
    throw new SluiceError(`${name}: ${error.message}`, error.errno, error.exitCode, error);
  }
}
