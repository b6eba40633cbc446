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

/**
 * How a daemon ended: `null` when everything is on disk, else the error that its mount ended with; or the process that
 * went on with the mount and tells of the end in the same record.
 */
type End = ErrorRecord | null | { successor: number };

/**
 * A few bytes of memory in which the daemon says at its very end how it went. `sluice umount` is not
 * its parent and so cannot see its exit code: it opens the record by `path` while the daemon lives, and
 * reads it when the daemon is gone. Nothing is left on any disk. A process that goes on with the mount of another one has
 * the same record.
 */
export class EndRecord {
  readonly path: string;
  /** Negative if there is none, for want of descriptors. */
  readonly fd: number;

  /** @param fd That of the process whose place this one takes. */
  constructor(fd = memfdCreate('sluice-end', MFD_CLOEXEC)) {
    this.fd = fd;
    this.path = `/proc/${process.pid}/fd/${fd}`;
  }

  /** @param error The error of the mount's end; null if everything is on disk. */
  write(error: SluiceError | null): void {
    this.#put(error && recordOf(error));
  }

  /** Another process goes on with the mount. Call it before that one can write to the record. */
  passTo(pid: number): void {
    this.#put({ successor: pid });
  }

  #put(end: End): void {
    if (this.fd < 0) return;
    // In one write over all that was there: somebody may read.
    const text = JSON.stringify(end).padEnd(fstatSync(this.fd).size);
    writeSync(this.fd, text, 0);
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
  const end = read(record);
  if (end === undefined || (end !== null && 'successor' in end)) {
    const message = `${mountpoint}: its daemon died before everything was flushed; see its log`;
    throw new SluiceError(message, 'EIO', EXIT_DAEMON);
  }
  if (end !== null) throw fromRecord(end);
}

/** The process that has gone on with the mount of a daemon that is gone; null: none has. */
export function successorOf(record: number): number | null {
  const end = read(record);
  return end && 'successor' in end ? end.successor : null;
}

/** Undefined: nothing is recorded. */
function read(record: number): End | undefined {
  const bytes = Buffer.alloc(fstatSync(record).size);
  readSync(record, bytes, 0, bytes.length, 0);
  const text = bytes.toString();
  return text === '' ? undefined : (JSON.parse(text) as End);
}
