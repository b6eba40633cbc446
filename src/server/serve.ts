import { MAX_IO_BYTES } from '../buffers/memory.js';
import { type MountRequest, mountFuse } from '../fuse/mount.js';
import { claimMountpoint } from '../fuse/mount-claim.js';
import type { DiskConfig } from '../plane/disk.js';
import type { MountConfig } from './config.js';
import type { EndRecord } from './end-record.js';
import type { Log } from './log.js';
import { MountSession } from './mount-session.js';
import { openDisks } from './open-disks.js';
import { aboutDaemon, PlaneThread } from './plane-thread.js';
import type { Served } from './served.js';
import { chooseTransport, type Transport, transportLine } from './transport.js';

/**
 * Mounts and serves: opens the images, mounts, starts the data plane, and resolves when the kernel's
 * INIT has been answered. Nothing is left open or mounted when it fails.
 *
 * @throws SluiceError saying what is wrong and what to do.
 */
export async function serve(config: MountConfig, log: Log, record: EndRecord): Promise<Served> {
  const claim = claimMountpoint(config.mountpoint);
  try {
    return await serveClaimed(config, log, record);
  } finally {
    claim.release();
  }
}

async function serveClaimed(config: MountConfig, log: Log, record: EndRecord): Promise<Served> {
  const transport = await chooseTransport(config.transport);
  log.info(transportLine(transport));
  const opened = await openDisks(config, log);
  try {
    const session = await startSession(config, transport, opened.disks, record, log);
    // Not left to the end of the process: a thread that ends late would hold the locks until then.
    void session.ended.then(() => opened.close());
    await session.ready;
    return session;
  } catch (error) {
    opened.close();
    throw error;
  }
}

async function startSession(
  config: MountConfig,
  transport: Transport,
  disks: DiskConfig[],
  record: EndRecord,
  log: Log,
): Promise<MountSession> {
  const request = mountRequest(config);
  const about = aboutDaemon(transport.kind, record.path);
  if (transport.kind === 'uring') {
    const mount = await mountFuse(request);
    return new MountSession(mount, new PlaneThread(config, disks, mount.fd, about, log), log);
  }
  // Loaded only here: whoever has the ring needs neither the package nor this code.
  const { NativePlane } = await import('./native-plane.js');
  const plane = new NativePlane(config, disks, about, log);
  const session = new MountSession(await plane.mount(request, transport.native), plane, log);
  if (config.transport === 'auto') session.notice = transportLine(transport);
  return session;
}

function mountRequest(config: MountConfig): MountRequest {
  return {
    mountpoint: config.mountpoint,
    maxRead: MAX_IO_BYTES,
    allowOther: config.allowOther,
    options: config.mountOptions,
    pageCache: config.cache === 'page',
    source: mountSource(config.images.map((image) => image.path)),
  };
}

/** mount(2) takes a page of text, fusermount3 less; df and findmnt show it in one column. */
const SOURCE_BYTES_MAX = 255;

/** What the mount table shows as the source: the first image, and how many more there are. */
export function mountSource(paths: readonly string[]): string {
  const more = paths.length > 1 ? `+${paths.length - 1}` : '';
  const source = `${paths[0]}${more}`;
  return Buffer.byteLength(source) > SOURCE_BYTES_MAX ? `sluice${more}` : source;
}
