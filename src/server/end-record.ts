import { fstatSync, openSync, readSync, writeSync } from 'node:fs';
import { MFD_CLOEXEC } from '../sys/constants.js';
import { memfdCreate } from '../sys/libc.js';
import {
  type ErrorRecord,
  EXIT_DAEMON,
  fromRecord,
  recordOf,
  SluiceError,
} from '../util/errors.js';

/** How a daemon ended: `null` when everything is on disk, else the error that its mount ended with. */
type End = ErrorRecord | null;

/**
 * A few bytes of memory in which the daemon says at its very end how it went. `sluice umount` is not
 * its parent and so cannot see its exit code: it opens the record by `path` while the daemon lives, and
 * reads it when the daemon is gone. Nothing is left on any disk.
 */
export class EndRecord {
  readonly path: string;
  readonly #fd: number;

  constructor() {
    this.#fd = memfdCreate('sluice-end', MFD_CLOEXEC);
    this.path = `/proc/${process.pid}/fd/${this.#fd}`;
  }

  /** @param error The error of the mount's end; null if everything is on disk. */
  write(error: SluiceError | null): void {
    const end: End = error && recordOf(error);
    if (this.#fd >= 0) writeSync(this.#fd, JSON.stringify(end), 0);
  }
}

/** Opens the record of a daemon that runs; null where it may not be read. */
export function openEndRecord(path: string | undefined): number | null {
  try {
    return path === undefined ? null : openSync(path, 'r');
  } catch {
    return null;
  }
}

/**
 * Reads the record when the daemon is gone.
 * @throws SluiceError the error that the daemon has recorded; EIO with EXIT_DAEMON if it has recorded
 *   nothing.
 */
export function checkEndRecord(record: number, mountpoint: string): void {
  const bytes = Buffer.alloc(fstatSync(record).size);
  readSync(record, bytes, 0, bytes.length, 0);
  const text = bytes.toString();
  if (text === '') {
    const message = `${mountpoint}: its daemon died before everything was flushed; see its log`;
    throw new SluiceError(message, 'EIO', EXIT_DAEMON);
  }
  const end = JSON.parse(text) as End;
  if (end !== null) throw fromRecord(end);
}
