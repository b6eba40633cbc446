import { EXIT_FAILED, SluiceError } from '../util/errors.js';

/** The intended use of a host file. */
export type Access = 'read' | 'write' | 'make';

const SENTENCES: Readonly<Record<string, string>> = {
  ENOENT: 'no such file',
  ENOTDIR: 'no such file',
  ELOOP: 'too many symbolic links',
  EBUSY: 'in use by somebody else',
  ETXTBSY: 'in use as swap space or as a program that runs',
};

/** Writing is refused where reading may well go. */
const NOT_WRITABLE: Readonly<Record<string, string>> = {
  EACCES: 'no permission to write it',
  EPERM: 'no permission to write it',
  EROFS: 'it is on a read-only file system',
};

/**
 * The error of a host file that cannot be opened: one sentence for people, exit code 1.
 *
 * @param code Name of the errno, for instance `ENOENT`.
 */
export function fileError(
  path: string,
  access: Access,
  code: string,
  cause?: unknown,
): SluiceError {
  return new SluiceError(`${path}: ${describe(access, code)}`, code, EXIT_FAILED, cause);
}

function describe(access: Access, code: string): string {
  if (access === 'make') return `cannot be made (${code})`;
  const known = SENTENCES[code];
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
