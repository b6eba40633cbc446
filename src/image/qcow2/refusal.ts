import { errnoName } from '../../util/errno.js';
import { EXIT_IMAGE, SluiceError } from '../../util/errors.js';

/** An image that is broken or claims what cannot be. `what` goes on where the path ends. */
export function malformed(path: string, what: string): SluiceError {
  return new SluiceError(`${path}: ${what}`, 'EINVAL', EXIT_IMAGE);
}

/** An image that is well-formed but more than we can. */
export function unsupported(path: string, what: string): SluiceError {
  return new SluiceError(`${path}: ${what}`, 'ENOTSUP', EXIT_IMAGE);
}

/** Metadata that says what cannot be, found on the way. */
export function hostRefused(path: string, offset: number, errno: number): SluiceError {
  const name = errnoName(errno);
  const what = `the metadata for offset ${offset} is broken or cannot be read (${name})`;
  return new SluiceError(`${path}: ${what}`, name, EXIT_IMAGE);
}
