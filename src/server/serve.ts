import { MAX_IO_BYTES } from '../buffers/memory.js';
import { mountFuse } from '../fuse/mount.js';
import { claimMountpoint } from '../fuse/mount-claim.js';
import type { MountRequest } from '../fuse/mount-options.js';
import { EXIT_MOUNT, SluiceError } from '../util/errors.js';
import { interrupted } from './conclusion.js';
import type { MountConfig } from './config.js';
import type { Log } from './log.js';
import { MountSession } from './mount-session.js';
import { type OpenDisks, openDisks } from './open-disks.js';
import { aboutDaemon, PlaneThread, PlaneWorker } from './plane-thread.js';
import type { Serve, Start } from './run.js';
import { chooseTransport, type Transport, transportLine } from './transport.js';

/** Opens the images, mounts and starts the data plane, which tells when INIT is answered. */
export const serve: Serve = async (config, log, start) => {
  const claim = claimMountpoint(config.mountpoint);
  try {
    const transport = await chooseTransport(config.transport);
    if (transport.kind === 'fuse-native') refusePassthrough(config);
    log.info(transportLine(transport));
    const worker = transport.kind === 'uring' ? new PlaneWorker() : null;
    let opened: OpenDisks | null = null;
    try {
      opened = await openDisks(config, log);
      if (start.isUnwanted()) throw interrupted();
      await startSession(config, transport, worker, opened, start, log);
    } catch (error) {
      opened?.close();
      await worker?.end();
      throw error;
    }
  } finally {
    claim.release();
  }
};

function refusePassthrough({ passthrough: [name] }: MountConfig): void {
  if (name === undefined) return;
  const why = 'the transport here is fuse-native, which does not know passthrough';
  throw new SluiceError(`--passthrough ${name}: ${why}; leave it out`, 'EOPNOTSUPP', EXIT_MOUNT);
}

async function startSession(
  config: MountConfig,
  transport: Transport,
  worker: PlaneWorker | null,
  opened: OpenDisks,
  { endPath, tell, mounted }: Start,
  log: Log,
): Promise<void> {
  const request = mountRequest(config);
  const about = aboutDaemon(transport.kind, endPath);
  if (transport.kind === 'uring') {
    const mount = await mountFuse(request);
    const plane = new PlaneThread(worker!, config, opened.disks, mount.fd, about, log, tell);
    mounted(new MountSession(mount, plane, opened, log));
    return;
  }
  // Loaded only here: with the ring neither the package nor this code is needed.
  const { NativePlane } = await import('./native-plane.js');
  const plane = new NativePlane(config, opened.disks, about, log, tell);
  const mount = await plane.mount(request, transport.native);
  const notice = config.transport === 'auto' ? transportLine(transport) : undefined;
  mounted(new MountSession(mount, plane, opened, log, notice));
  plane.watch();
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

/** The source in the mount table: the first image, and the number of others. */
export function mountSource(paths: readonly string[]): string {
  const more = paths.length > 1 ? `+${paths.length - 1}` : '';
  const source = `${paths[0]}${more}`;
  return Buffer.byteLength(source) > SOURCE_BYTES_MAX ? `sluice${more}` : source;
}
