import { REMEDY, recordOf, SluiceError } from '../util/errors.js';

/** An error as the body of an answer. */
export interface ApiError {
  /** Name of an errno. It stays the same from version to version; messages do not. */
  code: string;
  /** One sentence: the object and the fault. */
  message: string;
  /** What to do, or what there is; null: nothing to say. */
  hint: string | null;
  /** The exit code of a command that ends with it. */
  exitCode: number;
}

/** HTTP status by code. */
const STATUS: Readonly<Record<string, number>> = {
  EINVAL: 400,
  ERANGE: 400,
  ENAMETOOLONG: 400,
  EACCES: 403,
  EPERM: 403,
  EROFS: 403,
  ENOENT: 404,
  ENOTSUP: 405,
  ETIMEDOUT: 408,
  EBUSY: 409,
  EEXIST: 409,
  EMSGSIZE: 413,
  EOPNOTSUPP: 501,
  EAGAIN: 503,
  ESHUTDOWN: 503,
};
/** Every other errno is one of the host. */
const OF_HOST = 500;

export function statusOf(code: string): number {
  return STATUS[code] ?? OF_HOST;
}

export function apiError(error: unknown): ApiError {
  const { message: sentence, errno: code, exitCode } = recordOf(error);
  const at = sentence.indexOf(REMEDY);
  const message = at < 0 ? sentence : sentence.slice(0, at);
  const hint = at < 0 ? null : sentence.slice(at + REMEDY.length);
  return { code, message, hint, exitCode };
}

/** The error that a daemon has answered with. */
export function fromApiError({ code, message, hint, exitCode }: ApiError): SluiceError {
  return new SluiceError(sentenceOf({ message, hint }), code, exitCode);
}

function sentenceOf({ message, hint }: Pick<ApiError, 'message' | 'hint'>): string {
  return hint === null ? message : `${message}${REMEDY}${hint}`;
}
