import { existsSync } from 'node:fs';
import { isAbsolute, resolve } from 'node:path';
import { isNbdUri, parseNbdUri } from '../nbd/uri.js';
import { DISCARD } from '../server/config.js';
import { EXIT_FAILED, EXIT_USAGE, SluiceError } from '../util/errors.js';

// Must be imported first: Node.js and libraries fail if the working directory has been deleted.
let directory: string | null = null;
try {
  directory = process.cwd();
} catch {
  process.chdir('/');
}

/** The working directory of the command; empty if it has been deleted. */
export function workingDirectory(): string {
  return directory ?? '';
}

/**
 * Makes the path of an operand or option absolute.
 *
 * @param what Its name in messages, such as `the mount point`.
 * @param from The directory that a relative path starts from; empty if it has been deleted.
 * @throws SluiceError EINVAL for an empty text (most likely an unset variable of a script), or one with a NUL; ENOENT for a
 *   relative path without a directory, EILSEQ for a name that is not UTF-8.
 */
export function absolutePath(what: string, text: string, from: string): string {
  if (text === '') throw new SluiceError(`the path of ${what} is empty`, 'EINVAL', EXIT_USAGE);
  if (text.includes('\0')) {
    throw new SluiceError(`the path of ${what} has a NUL character`, 'EINVAL', EXIT_USAGE);
  }
  if (from === '' && !isAbsolute(text)) {
    const message = `${text}: the working directory has been deleted; change to another one`;
    throw new SluiceError(message, 'ENOENT', EXIT_FAILED);
  }
  const path = resolve(from, text);
  checkUtf8(path);
  return path;
}

/** The same for the value of an option about an overlay, which may also be the word for a temporary one. */
export function overlayPath(what: string, text: string, from: string): string {
  return text === DISCARD ? DISCARD : absolutePath(what, text, from);
}

/** The same for an image, which may also be the URI of an export of an NBD server. */
export function absoluteImage(what: string, text: string, from: string): string {
  return isNbdUri(text) ? parseNbdUri(text).uri : absolutePath(what, text, from);
}

/**
 * Node.js replaces bytes of an argument that are not UTF-8, so such a path cannot be opened.
 *
 * @throws SluiceError EILSEQ
 */
export function checkUtf8(path: string): void {
  if (!path.includes('\uFFFD') || existsSync(path)) return;
  const way = 'give it by a symbolic link with another name';
  throw new SluiceError(`${path}: the name is not valid UTF-8; ${way}`, 'EILSEQ', EXIT_USAGE);
}
