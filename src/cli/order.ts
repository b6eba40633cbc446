import type { ImageOrder } from '../server/image-order.js';
import { orderBySocket, orderImages } from '../server/order-images.js';
import { readStatus } from '../server/status.js';
import { unavailable } from './unavailable.js';

/**
 * Has the daemon of a mount carry out an order about its images.
 *
 * @returns sentences for the user
 * @throws SluiceError that of the daemon
 */
export async function carryOut(mountpoint: string, order: ImageOrder): Promise<string[]> {
  const told = await orderBySocket(mountpoint, order);
  if (told !== null) return told;
  const status = await readStatus(mountpoint);
  if (status.kind !== 'alive') throw unavailable(mountpoint, status.kind);
  return orderImages(mountpoint, status.daemon, order);
}
