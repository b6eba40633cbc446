import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Log } from './log.js';
import type { OpenImages } from './open-images.js';

/**
 * How far the kernel reads ahead of who reads one byte after the other, in a mount with exports and a page cache, KiB.
 * From a server that takes 20 ms for a read come 11 MB/s with the kernel's own 128, 70 with 1024, 160 with 4096, 190
 * with 16384.
 */
const FAR_KIB = 4096;

type Images = Pick<OpenImages, 'disks' | 'added'>;

/**
 * Has the kernel read ahead in a mount as far as a server that is far away needs it, from the moment on that an image
 * lies on one. Whoever has set more keeps it. Only root can do that; others are told how.
 *
 * @param device Of the mount, `major:minor`.
 * @param devices The folder with a folder for each device.
 */
export function readFarAhead(
  images: Images,
  device: string,
  log: Pick<Log, 'info'>,
  devices = '/sys/class/bdi',
): void {
  const path = join(devices, device, 'read_ahead_kb');
  images.added = () => {
    const isFar = images.disks.some(({ image }) => image.files.some(({ nbd }) => nbd));
    if (isFar) raise(path, log);
  };
  images.added();
}

function raise(path: string, log: Pick<Log, 'info'>): void {
  try {
    if (Number(readFileSync(path, 'latin1')) >= FAR_KIB) return;
    writeFileSync(path, `${FAR_KIB}`, { flag: 'r+' });
  } catch (error) {
    const what = 'the kernel reads little ahead of programs';
    const { code } = error as NodeJS.ErrnoException;
    log.info(`${what}; as root: echo ${FAR_KIB} > ${path} (${code})`);
  }
}
