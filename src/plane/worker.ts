import { fsyncSync, ftruncateSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { IN_FLIGHT_MAX, Memory, REQUESTS } from '../buffers/memory.js';
import type { Engine } from '../engine/engine.js';
import type { SlowCalls } from '../engine/slow-calls.js';
import { type EngineFile, UringEngine } from '../engine/uring-engine.js';
import { DeviceSession } from '../fuse/device-session.js';
import { buildChain } from '../image/build-chain.js';
import type { QcowLayer } from '../image/qcow2/qcow-layer.js';
import { QcowWriter } from '../image/qcow2/qcow-writer.js';
import { RawImage } from '../image/raw.js';
import { mapAnonymous } from '../sys/memory.js';
import { becomeIoFlusher, preciseTimers } from '../sys/process.js';
import { pwrite } from '../sys/transfer.js';
import { Throttle } from '../throttle/throttle.js';
import { addControlTree } from '../tree/control-tree.js';
import { Tree } from '../tree/tree.js';
import { Ring } from '../uring/ring.js';
import { errnoName } from '../util/errno.js';
import { Chain } from './chain.js';
import { ChainWrites } from './chain-writes.js';
import type { Disk } from './disk.js';
import type { Inflate } from './inflater.js';
import type { FromPlane, PlaneConfig, SlowCall, ToPlane } from './messages.js';
import type { FlushIo } from './metadata-flush.js';
import { Plane } from './plane.js';
import { LockTable, RangeLocks } from './range-locks.js';
import { RingLoop } from './ring-loop.js';
import type { Resume } from './waiters.js';
import { Wake } from './wake.js';

/**
 * Entry of the data plane's thread. It blocks in io_uring_enter and its event loop never runs: no
 * promise resolves here.
 */

/** Entries queued in one turn are rarely more; a full queue flushes itself. */
const RING_ENTRIES = 512;

// Registered files of the ring.
const FUSE_FILE = 0;
const WAKE_FILE = 1;
const FIRST_DISK_FILE = 2;

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
  ftruncate(request, descriptor, size) {
    post({ kind: 'call', call: 'ftruncate', request, descriptor, offset: size, whence: 0 });
  },
};

function post(call: SlowCall): void {
  send(call);
}

/** The disks' own host files, by the disks' numbers, and then those of their other layers. */
function listFiles(config: PlaneConfig): EngineFile[] {
  return [...config.disks, ...config.disks.flatMap((disk) => disk.chain?.files ?? [])];
}

/** The chain of each disk, null for a raw one, with files as numbered by `listFiles`. */
function makeChains(config: PlaneConfig, engine: Engine, resume: Resume): (Chain | null)[] {
  let next = config.disks.length;
  return config.disks.map(({ chain, alignment }, disk) => {
    if (chain === null) return null;
    const first = next;
    next += chain.files.length;
    const number = (file: number) => (file === 0 ? disk : first + file - 1);
    const layers = chain.layers.map(({ file, hostSize, qcow }) => ({
      file: number(file),
      hostSize,
      qcow: qcow === null ? null : { ...qcow, dataFile: number(qcow.dataFile) },
    }));
    const image = buildChain(layers, chain.cacheBytes, mapAnonymous);
    const inflate: Inflate = (request, method, bytes, clusterBytes) => {
      send({ kind: 'inflate', disk, request, method, bytes, clusterBytes });
    };
    return new Chain(image, engine, resume, inflate, alignment);
  });
}

/** Makes the chains of writable disks writable. */
function addWriters(
  config: PlaneConfig,
  chains: readonly (Chain | null)[],
  engine: Engine,
  memory: Memory,
  resume: Resume,
): void {
  for (const [disk, { chain, hostSize, alignment }] of config.disks.entries()) {
    const part = chain?.write;
    const served = chains[disk];
    if (!part || !served) continue;
    const writer = new QcowWriter(served.image.layers[0] as QcowLayer, part, hostSize);
    served.image.writer = writer;
    served.writes = new ChainWrites(
      served,
      writer,
      engine,
      memory,
      resume,
      disk,
      hostSize,
      alignment,
    );
  }
}

function makeDisks(
  config: PlaneConfig,
  throttle: Throttle,
  chains: readonly (Chain | null)[],
): Disk[] {
  const table = new LockTable();
  return config.disks.map((disk, file) => ({
    config: disk,
    image: chains[file]?.image ?? new RawImage(file, disk.hostSize),
    chain: chains[file]!,
    file,
    member: throttle.createMember(disk.name),
    locks: new RangeLocks(table),
    dirty: false,
    allocated: disk.allocated,
    modifiedMs: disk.modifiedMs,
  }));
}

function makeGroups(config: PlaneConfig, throttle: Throttle, disks: readonly Disk[]): void {
  for (const { path, limits } of config.groups) {
    throttle.setLimits(throttle.createGroup(path), limits, 0);
  }
  for (const { member, group } of config.assignments) {
    const disk = disks.find((candidate) => candidate.config.name === member)!;
    throttle.moveMember(disk.member, throttle.findGroup(group)!, 0);
  }
}

function makeTree(config: PlaneConfig, throttle: Throttle): Tree {
  const tree = new Tree();
  for (const [index, disk] of config.disks.entries()) {
    tree.addDisk(tree.root, `${disk.name}.raw`, index);
  }
  addControlTree(tree, throttle, config.about);
  return tree;
}

function main(config: PlaneConfig): void {
  preciseTimers();
  becomeIoFlusher();
  const ring = new Ring(RING_ENTRIES);
  const files = listFiles(config);
  ring.registerFiles([config.fuse, config.wake, ...files.map((file) => file.descriptor)]);
  const memory = new Memory();
  const throttle = new Throttle(REQUESTS);
  const engine = new UringEngine(ring, files, FIRST_DISK_FILE, slowCalls);
  const resume = (request: number): void => plane.completed(request, 0);
  const chains = makeChains(config, engine, resume);
  addWriters(config, chains, engine, memory, resume);
  const disks = makeDisks(config, throttle, chains);
  makeGroups(config, throttle, disks);
  const session = new DeviceSession(ring, FUSE_FILE, memory);
  const plane = new Plane({
    memory,
    disks,
    throttle,
    engine,
    transport: session,
    tree: makeTree(config, throttle),
    owner: config.owner,
    pageCache: config.pageCache,
    depth: config.depth === 'auto' ? IN_FLIGHT_MAX : Math.min(config.depth, IN_FLIGHT_MAX),
    initialised,
    trace: config.verbose ? (text) => send({ kind: 'log', text }) : null,
  });
  const handle = (message: ToPlane): void => {
    if (message.kind === 'result') plane.completed(message.request, message.result);
    else if (message.kind === 'inflated') {
      chains[message.disk]!.inflated(message.request, message.cluster);
      plane.completed(message.request, 0);
    } else if (message.kind === 'release') plane.releaseWaiting();
    else loop.finish();
  };
  const wake = new Wake(ring, WAKE_FILE, config.inbox, handle);
  const loop = new RingLoop(ring, plane, session, memory, wake, config.pollUs);
  loop.run();
  send({ kind: 'ended', errno: session.ended, unflushed: flush(disks) });
}

/** Nothing is under way any more: the same steps by calls that wait. Throws when the host refuses. */
function flushChainNow(writes: ChainWrites, descriptor: number): void {
  const io: FlushIo = {
    write: (address, length, offset) => pwrite(descriptor, address, length, offset),
    sync: () => {
      fsyncSync(descriptor);
      return 0;
    },
    grow: (size) => {
      ftruncateSync(descriptor, size);
      return 0;
    },
  };
  // Twice: the first makes references go away, the second writes the refcounts without them.
  for (let round = 0; round < 2; round++) {
    const steps = writes.flushWith(io, (index) => writes.loadBlockNow(descriptor, index));
    let step = steps.next(0);
    while (!step.done) step = steps.next(step.value);
    if (step.value < 0) throw new Error(errnoName(step.value));
  }
}

/** Writes what hosts still hold in memory to their disks; returns the names of those that failed. */
function flush(disks: readonly Disk[]): string[] {
  const failed: string[] = [];
  for (const { config, dirty, chain } of disks) {
    try {
      if (chain?.writes) flushChainNow(chain.writes, config.descriptor);
      if (dirty) fsyncSync(config.descriptor);
    } catch {
      failed.push(config.name);
    }
  }
  return failed;
}

main(workerData as PlaneConfig);
