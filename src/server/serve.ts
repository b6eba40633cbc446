import { setTimeout as sleep } from 'node:timers/promises';
import { MAX_IO_BYTES } from '../buffers/memory.js';
import { formatFaults } from '../control/faults.js';
import type { FigureReader } from '../control/figures.js';
import { isOfImage } from '../control/members.js';
import { escapeName } from '../control/names.js';
import type { Assignment } from '../control/set-up-groups.js';
import { type FuseMount, mountFuse } from '../fuse/mount.js';
import { claimMountpoint } from '../fuse/mount-claim.js';
import type { MountRequest } from '../fuse/mount-options.js';
import { attributesChanged, entryGone } from '../fuse/notify.js';
import type { GoneEntry } from '../tree/control-tree.js';
import { EXIT_MOUNT, fromRecord, SluiceError } from '../util/errors.js';
import { readVersion } from '../util/version.js';
import type { ApiMount } from './api-routes.js';
import { ApiSocket } from './api-socket.js';
import { type Caller, CallerNames } from './caller-names.js';
import { interrupted } from './conclusion.js';
import type { MountConfig } from './config.js';
import { type HandedOver, HandOver, type KeeperState } from './hand-over.js';
import { checkKept, impossible } from './hindrances.js';
import { ImageOrders } from './image-orders.js';
import type { Keeper } from './keeper.js';
import type { Log } from './log.js';
import type { MetricsServer } from './metrics.js';
import { MountSession } from './mount-session.js';
import { openDisks } from './open-disks.js';
import type { OpenImages } from './open-images.js';
import { OpenThread } from './open-thread.js';
import { OrderKey } from './order-key.js';
import { pageState } from './page-state.js';
import type { PageWriter } from './page-writer.js';
import { aboutDaemon, type PlaneRunner, PlaneThread, PlaneWorker } from './plane-thread.js';
import { readFarAhead } from './read-ahead.js';
import { readSource } from './read-source.js';
import { Reload } from './reload.js';
import type { Serve, Start } from './run.js';
import type { SharedGroups } from './shared-groups.js';
import { chooseTransport, type Transport, transportLine } from './transport.js';

/** Opens the images, mounts and starts the data plane, which tells when INIT is answered. */
export const serve: Serve = async (config, log, start) => {
  const claim = claimMountpoint(config.mountpoint);
  let metrics: MetricsFaces = { server: null, writer: null };
  const api = new ApiSocket(log);
  let sharing: SharedGroups | null = null;
  try {
    metrics = await listenForMetrics(config);
    sharing = await shareGroups(config);
    const transport = await chooseTransport(config.transport);
    if (transport.kind === 'fuse-native') refusePassthrough(config);
    log.info(transportLine(transport));
    const worker = transport.kind !== 'fuse-native' ? new PlaneWorker() : null;
    let opened: OpenImages | null = null;
    try {
      opened = await openDisks(config, log);
      opened.closing = () => {
        metrics.server?.close();
        api.close();
        void sharing?.stop();
      };
      if (start.isUnwanted()) throw interrupted();
      if (config.keeper) {
        const { kind } = transport;
        checkKept({ config, transport: kind, disks: opened.disks });
      }
      const faces = { metrics, api, sharing };
      const { kind } = transport;
      const key = new OrderKey();
      const parts = { config, asRead: config, transport: kind, opened, faces, key, start, log };
      await startSession(parts, transport, worker, start);
    } catch (error) {
      if (opened === null) metrics.server?.close();
      else opened.close();
      await worker?.end();
      throw error;
    }
  } catch (error) {
    await sharing?.stop();
    throw error;
  } finally {
    claim.release();
  }
};

/** Loaded only here: without --metrics neither the package nor this code is needed. */
export async function listenForMetrics(config: MountConfig): Promise<MetricsFaces> {
  const { metrics, metricsToken } = config;
  if (metrics === null) return { server: null, writer: null };
  const { MetricsServer } = await import('./metrics.js');
  const writer = metricsToken === null ? null : await newWriter(metricsToken);
  return { server: await MetricsServer.listen(metrics, writer), writer };
}

/** Loaded only here, too. */
async function newWriter(path: string): Promise<PageWriter> {
  const { PageWriter, readToken } = await import('./page-writer.js');
  return new PageWriter(readToken(path));
}

/** Loaded only here, as the client of the store is. */
async function shareGroups({ groups }: MountConfig): Promise<SharedGroups | null> {
  if (groups.every(({ shared }) => shared === undefined)) return null;
  const { SharedGroups } = await import('./shared-groups.js');
  return SharedGroups.open(groups);
}

function showMetrics(
  { server: metrics, writer }: MetricsFaces,
  figures: FigureReader,
  callers: () => Caller[],
  transport: string,
  opened: OpenImages,
  mountpoint: string,
): void {
  if (metrics === null) return;
  const images = () =>
    opened.disks.map(({ name, path, format, readOnly, backing, faults }) => {
      const words = faults === undefined ? null : formatFaults(faults);
      return { name, path, format, readOnly, passthrough: backing !== undefined, faults: words };
    });
  const about = { version: readVersion(), transport, startTime: performance.timeOrigin / 1000 };
  metrics.observe = () => ({
    ...about,
    images: images(),
    groups: [...figures.observations()],
    callers,
  });
  metrics.look = () => {
    const shown = opened.disks.map(({ name }) => name);
    const { version } = about;
    const canWrite = writer !== null;
    return pageState(
      { version, mountpoint, images: shown, canWrite },
      figures.states(null),
      callers(),
    );
  };
}

function refusePassthrough({ passthrough: [name] }: MountConfig): void {
  if (name === undefined) return;
  const why = 'the transport here is fuse-native, which does not know passthrough';
  throw new SluiceError(`--passthrough ${name}: ${why}; leave it out`, 'EOPNOTSUPP', EXIT_MOUNT);
}

/** The groups below the root group that have an image, or partitions of it, as members. */
function assignmentsOf(image: string, figures: FigureReader): Assignment[] {
  return [...figures.observations()].flatMap(({ path: group, members }) => {
    if (group === '') return [];
    const own = members.filter(({ name }) => isOfImage(name, image));
    return own.map(({ name }) => ({ member: escapeName(name), group }));
  });
}

/** Metrics over HTTP, and the page there. */
export interface MetricsFaces {
  server: MetricsServer | null;
  /** Null: the page only shows. */
  writer: PageWriter | null;
}

/** What speaks to others, beside the kernel. */
export interface Faces {
  metrics: MetricsFaces;
  api: ApiSocket;
  sharing: SharedGroups | null;
}

/** A mount whose images are open. */
export interface Opened {
  config: MountConfig;
  /** As its file was read last; see `Reload`. */
  asRead: MountConfig;
  transport: Transport['kind'];
  opened: OpenImages;
  faces: Faces;
  key: OrderKey;
  start: Omit<Start, 'mounted'>;
  log: Log;
}

/** What is connected to a data plane. */
interface Connected {
  orders: ImageOrders;
  reload: Reload;
  /** Shows figures over HTTP, if that comes later than the mount. */
  show(metrics: MetricsFaces): void;
}

/** How a mount goes to other processes. */
interface Restarts extends Pick<HandOver, 'run' | 'keep'> {
  keeperState(): KeeperState;
}

/** Lets orders reach a data plane: by the control files, and by the socket. */
function connect(
  { config, asRead, transport, opened, faces, key, start, log }: Opened,
  plane: PlaneRunner,
  fuse: number,
  { run: restart, keep, keeperState }: Restarts,
): Connected {
  const { isServing } = start;
  const isStarting = (): boolean => !start.isUnwanted();
  const keepsOpen = transport === 'fuse-native';
  const forget = async (gone: readonly GoneEntry[]): Promise<void> => {
    // What libfuse calls a directory is not known; the kernel forgets by itself within a second.
    if (keepsOpen) return;
    await Promise.all(gone.map(({ parent, name }) => entryGone(fuse, name, parent)));
  };
  const reload = new Reload({
    ...{ config: asRead, images: opened, log, read: readSource },
    reform: async (steps) => {
      const { error, gone } = await plane.order({ kind: 'reform', steps });
      if (error !== null) throw fromRecord(error);
      await forget(gone);
    },
  });
  const orders = new ImageOrders({
    ...{ config, images: opened, opener: new OpenThread(log), key, log, isServing, keepsOpen },
    reload: (hands, warn) => reload.run(hands, warn),
    sleep,
    groupsOf: (image) => assignmentsOf(image, plane.figures),
    change: (change) => plane.change(change),
    keep,
    // libfuse has numbers of its own for nodes: there the name is forgotten, and asked for again.
    notify: ({ name, node }) =>
      node === 0 || keepsOpen ? entryGone(fuse, name) : attributesChanged(fuse, node),
  });
  plane.obey = orders.take;
  const names = new CallerNames();
  const callers = () => names.name(plane.figures.callers());
  const show = (metrics: MetricsFaces): void => {
    showMetrics(metrics, plane.figures, callers, transport, opened, config.mountpoint);
    if (metrics.writer !== null) metrics.writer.mount = served;
  };
  const served: ApiMount = {
    ...{ config, mountpoint: config.mountpoint, transport },
    ...{ images: orders, isServing, isStarting, callers, restart, keeperState },
    figures: plane.figures,
    order: (order) => plane.order(order),
    forget,
  };
  faces.api.serve(served);
  show(faces.metrics);
  faces.sharing?.start(plane, log);
  return { orders, reload, show };
}

/** A mount over the ring. */
interface RingSession {
  session: MountSession;
  show: Connected['show'];
  /** See HandOver. */
  keep(): Promise<void>;
  lost(): void;
}

/** A mount over the ring, as the life cycle sees it. */
export function ringSession(
  parts: Opened,
  mount: FuseMount,
  plane: PlaneThread,
  keeper: Keeper | null,
): RingSession {
  const { config, opened, transport, start, log } = parts;
  const run = (): Promise<HandedOver> => handOver.run();
  const keep = (): Promise<void> => handOver.keep();
  const keeperState = (): KeeperState => handOver.keeperState;
  const restarts = { run, keep, keeperState };
  const { orders, reload, show } = connect(parts, plane, mount.fd, restarts);
  const images = opened;
  const handOver = new HandOver({
    ...{ config, mount, images, orders, reload, plane, log, transport, keeper, ...start },
  });
  const session = new MountSession(mount, plane, opened, log, orders, undefined, handOver);
  return { session, show, keep, lost: () => handOver.lost() };
}

async function startSession(
  parts: Opened,
  transport: Transport,
  worker: PlaneWorker | null,
  { mounted }: Start,
): Promise<void> {
  const { config, opened, faces, key, log } = parts;
  const { tell, record } = parts.start;
  const request = mountRequest(config);
  const about = aboutDaemon(transport.kind, record.path, key.path);
  if (transport.kind !== 'fuse-native') {
    const keeper = await newKeeper(config);
    const mount = await mountFuse(request);
    // Before the data plane can tell anything.
    await faces.api.listen(mount.device);
    if (config.cache === 'page') readFarAhead(opened, mount.device, log);
    const queues = transport.kind === 'fuse-uring' ? transport.queues : 0;
    const device = { fuse: mount.fd, queues };
    const kept = { ...device, keep: keeper?.config };
    const plane = new PlaneThread(worker!, config, opened.disks, kept, about, log, tell);
    const { session, keep } = ringSession(parts, mount, plane, keeper);
    mounted(session);
    // Before anybody is told that it is mounted: nothing is waited for yet.
    await keep();
    return;
  }
  // Loaded only here: with the ring neither the package nor this code is needed.
  const { NativePlane } = await import('./native-plane.js');
  const plane = new NativePlane(config, opened.disks, about, log, tell);
  const mount = await plane.mount(request, transport.native);
  await faces.api.listen(mount.device);
  if (config.cache === 'page') readFarAhead(opened, mount.device, log);
  const run = async (): Promise<never> => {
    throw impossible('the transport is fuse-native, and uring is needed');
  };
  const { orders } = connect(parts, plane, mount.watched, {
    run,
    keep: async () => {},
    keeperState: () => 'no',
  });
  const notice = config.transport === 'auto' ? transportLine(transport) : undefined;
  mounted(new MountSession(mount, plane, opened, log, orders, notice));
  plane.watch();
}

/** Loaded only here, too. */
export async function newKeeper({ keeper }: MountConfig): Promise<Keeper | null> {
  if (!keeper) return null;
  const { Keeper } = await import('./keeper.js');
  return Keeper.make();
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
  const source = `${paths[0] ?? 'sluice'}${more}`;
  return Buffer.byteLength(source) > SOURCE_BYTES_MAX ? `sluice${more}` : source;
}
