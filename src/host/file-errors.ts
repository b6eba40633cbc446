import { EXIT_FAILED, EXIT_IMAGE, NO_DESCRIPTORS, SluiceError } from '../util/errors.js';

/** The intended use of a host file. */
export type Access = 'read' | 'write' | 'make';

const SENTENCES: Readonly<Record<string, string>> = {
  ENOENT: 'no such file',
  ENOTDIR: 'no such file',
  ELOOP: 'too many symbolic links',
  ...NO_DESCRIPTORS,
};

const IN_USE: Readonly<Record<string, string>> = {
  EBUSY: 'in use by somebody else',
  ETXTBSY: 'in use as swap space or as a program that runs',
  // As a server of SMB or NFS has it. The kernel has told it to give the lease up.
  EAGAIN: 'in use: another program has a lease on it; try again in a minute',
};

/** Writing is refused where reading may well go. */
const NOT_WRITABLE: Readonly<Record<string, string>> = {
  EACCES: 'no permission to write it',
  EPERM: 'no permission to write it',
  EROFS: 'it is on a read-only file system',
};

const NOT_MADE: Readonly<Record<string, string>> = {
  ENOENT: ': there is no such folder',
  ENOTDIR: ': there is no such folder',
  EACCES: ': no permission to write in its folder',
  EPERM: ': no permission to write in its folder',
  EROFS: ': its folder is on a read-only file system',
  ENOSPC: ': no space is left there',
};

/**
 * The error of a host file that cannot be opened: one sentence for people, exit code 1, or 3 if it is in
 * use.
 *
 * @param code Name of the errno, for instance `ENOENT`.
 */
export function fileError(
  path: string,
  access: Access,
  code: string,
  cause?: unknown,
): SluiceError {
  const exitCode = Object.hasOwn(IN_USE, code) ? EXIT_IMAGE : EXIT_FAILED;
  return new SluiceError(`${path}: ${describe(access, code)}`, code, exitCode, cause);
}

/**
 * Makes a call for a file that is open.
 *
 * @param what What cannot be done if it fails.
 * @throws SluiceError exit code 1, naming the file and the errno.
 */
export function forFile<T>(path: string, what: 'read' | 'written' | 'flushed', call: () => T): T {
  try {
    return call();
  } catch (error) {
    const { code = 'EIO' } = error as NodeJS.ErrnoException;
    throw new SluiceError(`${path}: cannot be ${what} (${code})`, code, EXIT_FAILED, error);
  }
}

function describe(access: Access, code: string): string {
  if (access === 'make') return `cannot be made${NOT_MADE[code] ?? ` (${code})`}`;
  const known = SENTENCES[code] ?? IN_USE[code];
  if (known !== undefined) return known;
  if (access === 'write') {
    return `${NOT_WRITABLE[code] ?? `cannot be written (${code})`}; use --read-only`;
  }
  return code === 'EACCES' ? 'no permission to read it' : `cannot be opened (${code})`;
}

/** The same for an error of a call of Node.js. */
export function asFileError(path: string, access: Access, error: unknown): SluiceError {
  const { code = 'EIO' } = error as NodeJS.ErrnoException;
  return fileError(path, access, code, error);
}
