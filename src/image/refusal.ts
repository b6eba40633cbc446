import { errnoName } from '../util/errno.js';
import { EXIT_IMAGE, SluiceError } from '../util/errors.js';

/** The error for a broken image. `what` completes the sentence that begins with the path. */
export function malformed(path: string, what: string): SluiceError {
  return new SluiceError(`${path}: ${what}`, 'EINVAL', EXIT_IMAGE);
}

/** The error for an image that is well-formed but not supported. */
export function unsupported(path: string, what: string): SluiceError {
  return new SluiceError(`${path}: ${what}`, 'ENOTSUP', EXIT_IMAGE);
}

/** @param what A kind of image, that has no internal snapshots. @throws SluiceError if one is asked for */
export function refuseSnapshot(path: string, snapshot: string | null, what: string): void {
  if (snapshot !== null) throw unsupported(path, `${what} has no snapshots`);
}

/** The error for an image that is only read, though it was to be written. `what` is a kind of image. */
export function notWritable(path: string, what: string): SluiceError {
  const ways =
    '--overlay FILE keeps what is written in a file of its own, --read-only writes nothing';
  return new SluiceError(`${path}: ${what} cannot be written; ${ways}`, 'EROFS', EXIT_IMAGE);
}

/** The error for invalid metadata that is found while reading. */
export function hostRefused(path: string, offset: number, errno: number): SluiceError {
  const name = errnoName(errno);
  const what = `the metadata for offset ${offset} is broken or cannot be read (${name})`;
  return new SluiceError(`${path}: ${what}`, name, EXIT_IMAGE);
}
