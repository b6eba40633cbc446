import { ERRNO } from '../util/errno.js';
import type { Engine, Task } from './engine.js';

// A transfer may stop short anywhere: in front of a bad sector, or because a thread was interrupted. Only a read
// of no byte is the end of a file.

/**
 * Reads all of a range. The number of bytes, which is less than `length` only if the file ends there; or -errno.
 */
export function* readAll(
  engine: Engine,
  request: number,
  file: number,
  address: number,
  length: number,
  offset: number,
): Task {
  for (let done = 0; ; ) {
    const from = offset + done;
    const got = yield engine.read(request, file, address + done, length - done, from, false);
    // A read with O_DIRECT has reached the end of the file within a block: the rest is not aligned.
    if (got === -ERRNO.EINVAL && done > 0) return done;
    if (got < 0) return got;
    done += got;
    if (got === 0 || done === length) return done;
  }
}

/** Writes all of a range. 0 or -errno. */
export function* writeAll(
  engine: Engine,
  request: number,
  file: number,
  address: number,
  length: number,
  offset: number,
): Task {
  for (let done = 0; done < length; ) {
    const to = offset + done;
    const got = yield engine.write(request, file, address + done, length - done, to, false);
    if (got <= 0) return got === 0 ? -ERRNO.EIO : got;
    done += got;
  }
  return 0;
}
