import { parentPort } from 'node:worker_threads';
import { Memory } from '../buffers/memory.js';
import { DeviceSession } from '../fuse/device-session.js';
import { Dispatcher } from '../fuse/dispatch.js';
import { type SlowCalls, UringEngine } from '../host/uring-engine.js';
import { InflateCalls } from '../image/inflate-calls.js';
import { assemble } from '../plane/assemble.js';
import { Ending } from '../plane/ending.js';
import type { FromPlane, PlaneConfig, SlowCall, ToPlane } from '../plane/messages.js';
import { Plane } from '../plane/plane.js';
import { becomeIoFlusher, preciseTimers } from '../sys/libc.js';
import { Ring } from '../uring/ring.js';
import { ERRNO, errnoName } from '../util/errno.js';
import { SluiceError } from '../util/errors.js';
import { RingLoop } from './ring-loop.js';
import { Wake } from './wake.js';

/**
 * Entry of the data plane's thread. It blocks in io_uring_enter and its event loop never runs: no
 * promise resolves here.
 */

/** Entries queued in one turn are rarely more; a full queue flushes itself. */
const RING_ENTRIES = 512;

function send(message: FromPlane): void {
  parentPort!.postMessage(message);
}

function initialised(accepted: boolean): void {
  if (!accepted)
    throw new Error('this kernel speaks FUSE 7.27 or older; 7.28 (Linux 4.20) is needed');
  send({ kind: 'ready' });
}

/** Slow calls go to the control plane's thread pool. */
const slowCalls: SlowCalls = {
  lseek(request, descriptor, offset, whence) {
    post({ kind: 'call', call: 'lseek', request, descriptor, offset, whence });
  },
  futimens(request, descriptor, times) {
    post({ kind: 'call', call: 'futimens', request, descriptor, times });
  },
  ftruncate(request, descriptor, size) {
    post({ kind: 'call', call: 'ftruncate', request, descriptor, offset: size, whence: 0 });
  },
};

function post(call: SlowCall): void {
  send(call);
}

function serve(config: PlaneConfig): void {
  preciseTimers();
  becomeIoFlusher();
  const ring = new Ring(RING_ENTRIES);
  const fuseFile = ring.addFile(config.fuse);
  const wakeFile = ring.addFile(config.wake);
  const memory = new Memory();
  const log = (text: string): void => send({ kind: 'log', level: 'info', text });
  const engine = new UringEngine(ring, slowCalls);
  const inflateCalls = new InflateCalls(send);
  const assembly = assemble(config, { engine, memory, inflateCalls }, log, (news) =>
    send({ kind: 'figures', news }),
  );
  const warn = (text: string): void => send({ kind: 'log', level: 'warn', text });
  const session = new DeviceSession(ring, fuseFile, memory, warn);
  const plane = new Plane({ ...assembly, memory, engine, warn });
  assembly.plane = plane;
  const dispatcher = new Dispatcher({
    memory,
    disks: plane,
    tree: assembly.tree,
    wire: session,
    owner: config.owner,
    pageCache: config.pageCache,
    initialised,
    trace: config.verbose ? log : null,
  });
  plane.connect(dispatcher);
  const ending = new Ending(plane, send);
  const handle = (message: ToPlane): void => {
    if (message.kind === 'result') plane.completed(message.request, message.result);
    else if (message.kind === 'inflated') {
      inflateCalls.ended(message.request, message.cluster);
      plane.completed(message.request, 0);
    } else if (message.kind === 'release') plane.releaseWaiting();
    else if (message.kind === 'drain') ending.drain();
    else ending.flush();
  };
  const wake = new Wake(ring, wakeFile, config.inbox, handle);
  const disconnected = (errno: number): void => {
    if (errno !== ERRNO.ENODEV) warn(`the kernel ended the session: ${errnoName(errno)}`);
    send({ kind: 'disconnected' });
  };
  const loop = new RingLoop(
    ring,
    plane,
    session,
    dispatcher,
    memory,
    wake,
    ending,
    disconnected,
    config.pollUs,
  );
  loop.run();
}

function main(config: PlaneConfig): void {
  try {
    serve(config);
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error;
    send({ kind: 'refused', message: error.message, errno: error.errno });
  }
}

parentPort!.once('message', main);
