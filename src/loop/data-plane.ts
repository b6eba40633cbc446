import type { Memory } from '../buffers/memory.js';
import { BackingFiles } from '../fuse/backing-files.js';
import { DeviceSession } from '../fuse/device-session.js';
import { Dispatcher, type SessionState } from '../fuse/dispatch.js';
import { RingQueues } from '../fuse/ring-queues.js';
import { HostEngines } from '../host/host-engines.js';
import type { MappedFiles } from '../host/mapped-files.js';
import { NbdEngine } from '../host/nbd-engine.js';
import { RingSockets, type SocketCalls } from '../host/ring-sockets.js';
import { UringEngine } from '../host/uring-engine.js';
import { InflateCalls } from '../image/inflate-calls.js';
import { type Assembly, assemble } from '../plane/assemble.js';
import { asBefore, carryIn } from '../plane/carry-over.js';
import { Ending } from '../plane/ending.js';
import { obeyGroupOrder } from '../plane/group-orders.js';
import { changeImages } from '../plane/image-changes.js';
import { KeptGroups } from '../plane/kept-groups.js';
import type { CommonIo } from '../plane/live-images.js';
import type { PlaneConfig, ToPlane } from '../plane/messages.js';
import type { Callers } from '../plane/rules.js';
import { SnapshotFile, type WriteAt } from '../plane/snapshot-file.js';
import type { CommandQueue, RingQueue } from '../uring/ring.js';
import { ERRNO, errnoName } from '../util/errno.js';
import { Hold } from './hold.js';
import { Keep } from './keep.js';
import type { Outbox } from './outbox.js';
import { RingLoop } from './ring-loop.js';
import { Wake } from './wake.js';

/** The surroundings of a data plane: the kernel, the control plane and the clock. */
export interface Surroundings extends Pick<CommonIo, 'newMappings'> {
  ring: RingQueue;
  /** The same ring, for FUSE over io_uring; missing: /dev/fuse only. */
  commands?: CommandQueue;
  memory: Memory;
  /** Null: no file is read in place. */
  mapped: Pick<MappedFiles, keyof MappedFiles> | null;
  /** Its messages to the control plane. What is left in it at the end must be posted. */
  outbox: Outbox;
  /** Monotonic time, nanoseconds. */
  now: () => number;
  /** See `Stateful`. */
  monotonicNs?: () => number;
  /** Missing: /proc. */
  callers?: Callers;
  /** Writes to the file where the state is kept; missing: the kernel's. */
  writeState?: WriteAt;
  /** Missing: the kernel's. */
  socketCalls?: SocketCalls;
}

/** A data plane on a ring, ready to run. */
export interface DataPlane extends Pick<Assembly, 'plane' | 'throttle'> {
  readonly loop: RingLoop;
}

/**
 * Puts a data plane together. Nothing in it waits but its ring.
 *
 * @throws SluiceError if a group or an assignment cannot be made as asked.
 */
export function buildDataPlane(config: PlaneConfig, surroundings: Surroundings): DataPlane {
  const { ring, commands, memory, outbox, mapped, now } = surroundings;
  const { send } = outbox;
  const fuseFile = ring.addFile(config.fuse);
  const wakeFile = ring.addFile(config.wake);
  const { before, keep: kept } = config;
  if (kept !== undefined) ring.addFile(kept.guard);
  const groups = kept === undefined ? null : new KeptGroups();
  const info = (text: string): void => send({ kind: 'log', level: 'info', text });
  const warn = (text: string): void => send({ kind: 'log', level: 'warn', text });
  const files = new UringEngine(ring, send, commands === undefined, mapped);
  const sockets = new RingSockets(ring, surroundings.socketCalls);
  const engine: HostEngines<UringEngine> = new HostEngines(files, {
    ...{ requests: memory.capacity.requests, warn },
    connect: () => connectExports(sockets, memory, send, engine),
    completed: (request, result) => plane.completed(request, result),
  });
  const inflateCalls = new InflateCalls(send);
  const io = { ...surroundings, engine, inflateCalls };
  const disks = config.disks.map((disk) => (before ? asBefore(disk, before.plane) : disk));
  const { plane, throttle, members, tree, images, control, controlTree, orders } = assemble(
    { ...config, disks },
    io,
    {
      info,
      warn,
      figures: (news) => {
        groups?.take(news);
        send({ kind: 'figures', news });
      },
      gone: (disk) => backings.release(disk),
      order: (request, text) => send({ kind: 'order', request, text }),
    },
  );
  send({ kind: 'figures', news: { kind: 'clock', originMs: performance.timeOrigin } });
  const session = new DeviceSession(ring, fuseFile, memory, warn, () => {
    mapped?.forgetAll();
    warn('an image has become shorter while it was read; its reader gets EIO');
  });
  const common = { file: fuseFile, memory, requests: plane.requests, device: session, warn };
  const queues =
    commands === undefined ? null : new RingQueues({ ...common, ring: commands }, config.queues);
  const backings = new BackingFiles(config.disks, config.fuse);
  const initialised = (accepted: boolean): void => {
    if (!accepted)
      throw new Error('this kernel speaks FUSE 7.27 or older; 7.28 (Linux 4.20) is needed');
    queues?.start(dispatcher.agreed);
    backings.open(dispatcher.agreed);
    if (keep !== null) keep.isBegun = true;
    send({ kind: 'ready' });
  };
  const dispatcher = new Dispatcher({
    memory,
    disks: plane,
    tree,
    wire: queues ?? session,
    queues,
    owner: config.owner,
    pageCache: config.pageCache,
    backings,
    initialised,
    trace: config.verbose ? info : null,
  });
  plane.connect(dispatcher);
  const stateful = {
    plane,
    throttle,
    tree,
    images,
    monotonicNs: surroundings.monotonicNs,
  };
  const hold = new Hold({ ...stateful, members, session, dispatcher, send });
  let isReady = false;
  if (before !== undefined) {
    carryIn(stateful, before.plane, now());
    dispatcher.carryIn(before.session as SessionState);
    hold.beginHeld();
  }
  const ending = new Ending(plane, (event) => {
    if (event.kind !== 'drained') {
      files.removeAll();
      engine.removeExports();
    }
    send(event);
  });
  const handle = (message: ToPlane): void => {
    if (message.kind === 'result') {
      files.ended(message.request);
      plane.completed(message.request, message.result);
    } else if (message.kind === 'inflated') {
      inflateCalls.ended(message.request, message.cluster);
      plane.completed(message.request, 0);
    } else if (message.kind === 'nbd-connected' || message.kind === 'nbd-failed') {
      engine.told(message);
    } else if (message.kind === 'ordered') orders.answered(message.request, message.answer);
    else if (message.kind === 'change') {
      const { id, change } = message;
      changeImages({ images, members, control }, change, (outcome) =>
        send({ kind: 'changed', id, outcome }),
      );
    } else if (message.kind === 'groups') {
      const outcome = obeyGroupOrder(control, controlTree, message.order);
      send({ kind: 'grouped', id: message.id, outcome });
    } else if (message.kind === 'hold') hold.begin();
    else if (message.kind === 'go-on') {
      hold.goOn();
      // The kernel sends INIT to the first process only.
      if (before !== undefined && !isReady) send({ kind: 'ready' });
      isReady = true;
    } else if (message.kind === 'release') plane.releaseWaiting();
    else if (message.kind === 'drain') ending.drain();
    else {
      // No OPEN can come any more.
      backings.close();
      ending.flush();
    }
  };
  const wake = new Wake(ring, wakeFile, config.inbox, handle);
  const disconnected = (errno: number): void => {
    if (errno !== ERRNO.ENODEV) warn(`the kernel ended the session: ${errnoName(errno)}`);
    send({ kind: 'disconnected' });
  };
  const keep =
    kept === undefined
      ? null
      : new Keep({
          ...{ ...stateful, session, dispatcher, groups: groups!, now },
          file: new SnapshotFile(kept.state, surroundings.writeState),
        });
  if (keep !== null) keep.isBegun = before !== undefined;
  const network = { sockets, exports: engine };
  const ends = { wake, ending, hold, keep, outbox, network, disconnected };
  const parts = { ring, plane, session, queues, dispatcher, memory, ...ends, now };
  return { loop: new RingLoop(parts, config.pollUs), plane, throttle };
}

/** The engine of exports of NBD servers, with their sockets on the ring. */
function connectExports(
  sockets: RingSockets,
  memory: Memory,
  send: Outbox['send'],
  engine: Pick<HostEngines<UringEngine>, 'completed'>,
): NbdEngine {
  return new NbdEngine({
    requests: memory.capacity.requests,
    open: sockets.open,
    completed: (request, result) => engine.completed(request, result),
    lost: (one, why) => send({ kind: 'nbd-lost', export: one, why }),
    left: (one) => send({ kind: 'nbd-left', export: one }),
  });
}
