import type { Unflushed } from '../plane/last-flush.js';
import { errnoName, hostErrorText } from '../util/errno.js';
import { EXIT_DAEMON, EXIT_FAILED, EXIT_MOUNT, SluiceError } from '../util/errors.js';
import type { ImageConfig } from './config.js';
import type { End } from './lifecycle.js';

type Images = readonly Pick<ImageConfig, 'name' | 'path'>[];

/** How a mount ended: for the command, the log and the end record. */
export interface Conclusion {
  /** The error of the command, which has the exit code; null if nothing went wrong. */
  error: unknown;
  /** The last lines of the log. */
  errors: string[];
  info: string | null;
  /** Content of the end record: null if all is flushed. Missing: no record is written. */
  record?: SluiceError | null;
}

/** A signal came before the files could be used. */
export function interrupted(): SluiceError {
  return new SluiceError('interrupted', 'EINTR', EXIT_FAILED);
}

/** The only place where an end gets its exit code. */
export function conclude(end: End, images: Images): Conclusion {
  const { cause, wasServing, wasAsked } = end;
  switch (cause.kind) {
    case 'failed':
      return { error: cause.error, errors: [], info: null };
    case 'handed-over':
      // The successor tells of the end.
      return { error: null, errors: [], info: 'handed over' };
    case 'flushed': {
      const unused = wasAsked ? interrupted() : notStarted('unmounted before it was ready');
      return { error: wasServing ? null : unused, errors: [], info: 'unmounted', record: null };
    }
    case 'flush-failed': {
      const { unflushed } = cause;
      const errors = unflushed.map((one) => unflushedSentence(one, images));
      const errno = errnoName(unflushed[0]!.errno);
      return unfinished(
        new SluiceError(errors.join('; '), errno, EXIT_FAILED),
        errors,
        'unmounted',
      );
    }
    case 'refused':
      return unfinished(new SluiceError(cause.message, cause.errno, cause.exitCode));
    case 'crashed': {
      if (!wasServing) return unfinished(notStarted(cause.message));
      const message = `the daemon died: ${cause.message}; the mount has been aborted`;
      return unfinished(new SluiceError(message, 'EIO', EXIT_DAEMON), [cause.message]);
    }
    default: {
      if (!wasServing) return unfinished(interrupted());
      const message = 'the mount has been aborted before everything was flushed';
      return unfinished(new SluiceError(message, 'EIO', EXIT_DAEMON), [message]);
    }
  }
}

function unfinished(
  error: SluiceError,
  errors: string[] = [],
  info: string | null = null,
): Conclusion {
  return { error, errors, info, record: error };
}

function notStarted(why: string): SluiceError {
  return new SluiceError(`the data plane did not start: ${why}`, 'EIO', EXIT_MOUNT);
}

function unflushedSentence({ name, errno }: Unflushed, images: Images): string {
  const path = images.find((image) => image.name === name)?.path ?? name;
  const why = hostErrorText(errno);
  return `${path}: its last writes could not be flushed: ${why}; they may be lost`;
}
