import { MAX_IO_BYTES } from '../fuse/init.js';
import { type MountRequest, mountFuse } from '../fuse/mount.js';
import type { DiskConfig } from '../plane/disk.js';
import { close } from '../sys/libc.js';
import { probeRing } from '../uring/setup.js';
import type { MountConfig } from './config.js';
import { openHostFile } from './host-file.js';
import type { Log } from './log.js';
import { MountSession } from './mount-session.js';
import { PlaneThread } from './plane-thread.js';
import type { Served } from './served.js';

/**
 * Mounts and serves: opens the images, mounts, starts the data plane, and resolves when the kernel's
 * INIT has been answered. Nothing is left open or mounted when it fails.
 *
 * @throws SluiceError saying what is wrong and what to do.
 */
export async function serve(config: MountConfig, log: Log): Promise<Served> {
  probeRing();
  const disks = await openDisks(config);
  try {
    const mount = await mountFuse(mountRequest(config));
    const thread = new PlaneThread(config, disks, mount.fd, log);
    const session = new MountSession(mount, thread, log);
    await session.ready;
    return session;
  } catch (error) {
    for (const disk of disks) close(disk.descriptor);
    throw error;
  }
}

async function openDisks(config: MountConfig): Promise<DiskConfig[]> {
  const disks: DiskConfig[] = [];
  try {
    for (const { name, path } of config.images) {
      const { size, ...file } = await openHostFile(path, config.readOnly, config.direct);
      const { readOnly } = config;
      const growable = config.growable && !file.blockDevice;
      const mode = readOnly ? file.mode & 0o444 : file.mode;
      disks.push({ ...file, name, hostSize: size, mode, readOnly, growable });
    }
  } catch (error) {
    for (const disk of disks) close(disk.descriptor);
    throw error;
  }
  return disks;
}

function mountRequest(config: MountConfig): MountRequest {
  return {
    mountpoint: config.mountpoint,
    maxRead: MAX_IO_BYTES,
    allowOther: config.allowOther,
    readOnly: config.readOnly,
    options: config.mountOptions,
    source: config.images.map((image) => image.path).join(' '),
  };
}
