import { MAX_IO_BYTES } from '../fuse/init.js';
import { type MountRequest, mountFuse } from '../fuse/mount.js';
import { probeRing } from '../uring/setup.js';
import type { MountConfig } from './config.js';
import type { Log } from './log.js';
import { MountSession } from './mount-session.js';
import { openDisks } from './open-disks.js';
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
  const opened = await openDisks(config, log);
  try {
    const { disks } = opened;
    const mount = await mountFuse(mountRequest(config));
    const thread = new PlaneThread(config, disks, mount.fd, log);
    const session = new MountSession(mount, thread, log);
    // Not left to the end of the process: a thread that ends late would hold the locks until then.
    void session.ended.then(() => opened.close());
    await session.ready;
    return session;
  } catch (error) {
    opened.close();
    throw error;
  }
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
