import { loadNative, type NativePackage } from '../fuse/native-package.js';
import { ringQueueCount } from '../fuse/ring-support.js';
import { SETUP_SQE128 } from '../uring/abi.js';
import { probeRing } from '../uring/setup.js';
import { EXIT_MOUNT, SluiceError } from '../util/errors.js';
import type { MountConfig } from './config.js';

/** How a mount speaks to the kernel. */
export type Transport =
  | { kind: 'uring'; why: string }
  /** @property queues One for each possible processor. */
  | { kind: 'fuse-uring'; why: string; queues: number }
  | { kind: 'fuse-native'; why: string; native: NativePackage };

/**
 * Chooses the transport: the ring where it works, else fuse-native. The other one is not loaded.
 *
 * @throws SluiceError EXIT_MOUNT with the reasons, where none works.
 */
export async function chooseTransport(asked: MountConfig['transport']): Promise<Transport> {
  if (asked === 'fuse-native') {
    return { kind: 'fuse-native', why: 'as asked for', native: await loadNative() };
  }
  if (asked === 'fuse-uring') {
    const queues = ringQueueCount();
    probeRing(SETUP_SQE128);
    return { kind: 'fuse-uring', why: 'as asked for', queues };
  }
  try {
    probeRing();
    return { kind: 'uring', why: asked === 'auto' ? 'io_uring works here' : 'as asked for' };
  } catch (error) {
    if (asked !== 'auto') throw error;
    return withoutRing(error as Error);
  }
}

async function withoutRing(reason: Error): Promise<Transport> {
  try {
    return { kind: 'fuse-native', why: reason.message, native: await loadNative() };
  } catch (error) {
    const message = `${reason.message}; ${(error as Error).message}`;
    throw new SluiceError(message, 'ENOSYS', EXIT_MOUNT, error);
  }
}

/** The line that says which transport serves a mount, and why. */
export function transportLine({ kind, why }: Transport): string {
  return `transport ${kind}: ${why}`;
}
