import { randomBytes, timingSafeEqual } from 'node:crypto';
import { readFileSync, readlinkSync, writeSync } from 'node:fs';
import { MFD_CLOEXEC } from '../sys/constants.js';
import { memfdCreate } from '../sys/libc.js';

const KEY_BYTES = 16;

/**
 * Whoever may open the descriptors of the daemon could also make it do anything: the kernel asks for the
 * user and all rights of the daemon, in its pid namespace or one around it. Orders about images open files
 * with the rights of the daemon, so they carry a key that lies in such a descriptor. A container that has only
 * the mount may change groups, as far as their files can be written there, and reaches no file of the host.
 */
export class OrderKey {
  readonly path: string;
  readonly #key = randomBytes(KEY_BYTES).toString('hex');

  constructor() {
    const descriptor = memfdCreate('sluice-key', MFD_CLOEXEC);
    this.path = `/proc/${process.pid}/fd/${descriptor}`;
    if (descriptor >= 0) writeSync(descriptor, this.#key);
  }

  fits(key: string): boolean {
    const [own, other] = [Buffer.from(this.#key), Buffer.from(key)];
    return own.length === other.length && timingSafeEqual(own, other);
  }
}

/** The key of a daemon; null for who may not have it. @param path That in `.groups/daemon`. */
export function readOrderKey(path: string): string | null {
  try {
    // In another pid namespace the number may be another process's.
    if (!readlinkSync(path).startsWith('/memfd:sluice-key')) return null;
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}
