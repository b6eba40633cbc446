import { carryOut } from '../../server/order-images.js';
import { type AttachArguments, attachOrder } from '../attach-order.js';
import type { Arguments } from '../declaration.js';
import { findMountpoint } from '../find-mountpoint.js';
import { note, progress } from '../terminal.js';
import { workingDirectory } from '../working-directory.js';

export { ATTACH as declaration } from '../attach-order.js';

export async function handler(args: Arguments): Promise<void> {
  const words = args as unknown as AttachArguments;
  const directory = workingDirectory();
  const order = attachOrder(words, directory);
  const mountpoint = findMountpoint(words.mountpoint, directory);
  const waiting = progress(`sluice: attach: ${words.image}: waiting for the daemon to open it`);
  try {
    const warnings = await carryOut(mountpoint, order);
    for (const warning of warnings) note(`sluice: attach: ${warning}`);
  } finally {
    waiting.end();
  }
}
