import { hasRange } from '../plane/operation.js';
import type { Requests } from '../plane/requests.js';
import { errnoName } from '../util/errno.js';

/**
 * One line about a request and its reply, for `--verbose`.
 * @param asked What was asked, and of which node.
 * @param bytes Of the reply, or -errno.
 */
export function describe(
  requests: Requests,
  request: number,
  asked: string,
  bytes: number,
): string {
  const { offset, length, operation, uniqueLow } = requests;
  const isRanged = hasRange(operation[request]!);
  const range = isRanged ? ` ${length[request]} at ${offset[request]}` : '';
  const result = bytes < 0 ? errnoName(bytes) : `${bytes} bytes`;
  return `#${uniqueLow[request]} ${asked}${range}: ${result}`;
}
