import { writeSync } from 'node:fs';
import { errnoName } from '../util/errno.js';
import { EXIT_FAILED, NO_DESCRIPTORS, SluiceError } from '../util/errors.js';
import { EFD_CLOEXEC } from './constants.js';
import { eventfd } from './libc.js';

const ONE = new Uint8Array(new BigUint64Array([1n]).buffer);

/** A new eventfd. @throws SluiceError EMFILE, ENFILE, ENOMEM */
export function newEventfd(flags = 0): number {
  const fd = eventfd(0, EFD_CLOEXEC | flags);
  if (fd >= 0) return fd;
  const name = errnoName(-fd);
  throw new SluiceError(NO_DESCRIPTORS[name] ?? `eventfd failed with ${name}`, name, EXIT_FAILED);
}

/** Wakes those that wait for the eventfd. */
export function wakeEventfd(fd: number): void {
  writeSync(fd, ONE);
}
