import { readText } from '../sys/files.js';

/**
 * `8:1`: a device as sysfs and the mount table have it.
 * @param device A dev_t as glibc packs it (makedev(3)), 12 + 20 bits.
 */
export function deviceName(device: number): string {
  return `${(device >>> 8) & 0xfff}:${(device & 0xff) | ((device >>> 12) & 0xfff00)}`;
}

/** Bytes of a block device, null if the kernel does not say. @param device A dev_t. */
export function deviceSize(device: number): number | null {
  const sectors = readNumber(`/sys/dev/block/${deviceName(device)}/size`);
  return sectors === null ? null : sectors * 512;
}

/**
 * Bytes of a logical block of a block device, null if the kernel does not say: a file system on the
 * network has no device. A partition has its disk's. @param device A dev_t.
 */
export function logicalBlockSize(device: number): number | null {
  const folder = `/sys/dev/block/${deviceName(device)}`;
  const own = readNumber(`${folder}/queue/logical_block_size`);
  return own ?? readNumber(`${folder}/../queue/logical_block_size`);
}

function readNumber(path: string): number | null {
  const text = readText(path);
  return text === null ? null : Number(text);
}
