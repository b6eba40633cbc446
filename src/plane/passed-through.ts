import type { Task } from '../host/engine.js';
import { FALLOC_KEEP_SIZE } from '../sys/constants.js';
import { assert } from '../util/assert.js';
import { ERRNO } from '../util/errno.js';
import { SIZE_MAX } from '../util/units.js';
import type { ServedImage } from './disk.js';
import * as operation from './operation.js';
import type { Requests } from './requests.js';

/**
 * Carries out an operation on a disk that is passed through for which its size counts: ALLOCATE, SEEK or
 * RESIZE. The kernel writes the host file without a word to this program, so the size is asked of the host
 * each time. Such a disk is writable and growable, and each write of it is in place.
 */
export function* passedThrough(
  request: number,
  asked: number,
  { offset, length, mode }: Pick<Requests, 'offset' | 'length' | 'mode'>,
  { driver, status }: Pick<ServedImage, 'driver' | 'status'>,
): Task {
  const [start, bytes] = [offset[request]!, length[request]!];
  const found = yield* driver.status(request, status);
  if (found < 0) return found;
  switch (asked) {
    case operation.ALLOCATE: {
      const keepsSize = (mode[request]! & FALLOC_KEEP_SIZE) !== 0;
      const range = keepsSize ? Math.min(bytes, driver.size - start) : bytes;
      if (range <= 0) return 0;
      if (start + range > SIZE_MAX) return -ERRNO.EFBIG;
      return yield* driver.allocate(request, mode[request]!, start, range);
    }
    case operation.SEEK:
      return yield* driver.seek(request, start, mode[request]!);
    default:
      assert(asked === operation.RESIZE, `operation ${asked} of a disk that is passed through`);
      return bytes > SIZE_MAX ? -ERRNO.EFBIG : yield* driver.resize(request, bytes);
  }
}
