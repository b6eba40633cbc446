import { apiError } from '../server/api-errors.js';
import { ERRNO } from '../util/errno.js';
import { SluiceError as OwnError } from '../util/errors.js';
import type { SluiceError } from './types.js';

/** Runs what a program has asked for, with errors as it is promised them. A mistake of ours stays what it is. */
export async function asApiErrors<T>(run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    throw error instanceof OwnError ? publicError(error) : error;
  }
}

function publicError(error: OwnError): SluiceError {
  const { code, message, hint, exitCode } = apiError(error);
  const number: number | undefined = ERRNO[code as keyof typeof ERRNO];
  const errno = number === undefined ? undefined : -number;
  const made = new Error(message, { cause: error });
  return Object.assign(made, { name: 'SluiceError', code, errno, hint, exitCode });
}
