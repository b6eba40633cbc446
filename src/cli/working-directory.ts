import { existsSync } from 'node:fs';
import { isAbsolute, resolve } from 'node:path';
import { EXIT_FAILED, EXIT_USAGE, SluiceError } from '../util/errors.js';

// Imported first: Node.js itself and libraries ask for the directory, which may have been deleted.
let directory: string | null = null;
try {
  directory = process.cwd();
} catch {
  process.chdir('/');
}

/** The directory that relative paths start from; empty if it has been deleted. */
export function workingDirectory(): string {
  return directory ?? '';
}

/**
 * An operand or option as an absolute path.
 *
 * @param what Its name in messages, such as `the mount point`.
 * @param from The directory that a relative one starts from.
 * @throws SluiceError ENOENT where that is needed and deleted; EINVAL for an empty text, as an unset variable of a script gives; EILSEQ for a
 *   name that is not UTF-8: Node.js hands words over as UTF-8 and has lost its bytes.
 */
export function absolutePath(what: string, text: string, from: string): string {
  if (text === '') throw new SluiceError(`${what} is empty`, 'EINVAL', EXIT_USAGE);
  if (from === '' && !isAbsolute(text)) {
    const message = `${text}: the working directory has been deleted; change to another one`;
    throw new SluiceError(message, 'ENOENT', EXIT_FAILED);
  }
  const path = resolve(from, text);
  checkUtf8(path);
  return path;
}

/** @throws SluiceError EILSEQ for a name with bytes that are not UTF-8 */
export function checkUtf8(path: string): void {
  if (!path.includes('\uFFFD') || existsSync(path)) return;
  const way = 'give it by a symbolic link with another name';
  throw new SluiceError(`${path}: the name is not valid UTF-8; ${way}`, 'EILSEQ', EXIT_USAGE);
}
