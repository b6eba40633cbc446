import * as abi from '../../src/fuse/abi.js';
import { getU64 } from '../../src/fuse/wire.js';
import { ERRNO, errnoName } from '../../src/util/errno.js';
import { Random } from '../exerciser/random.js';
import { controlStep, weigh } from './control-callers.js';
import { type Disk, pause, roundUpToSector, type Steps } from './disks.js';
import { faultsStep, growStep, orderStep, overlayStep } from './order-callers.js';
import type { Operation } from './plan-callers.js';
import { reloadStep } from './reload-callers.js';
import { reloadImages } from './reload-images.js';
import { repartition } from './repartition.js';
import * as body from './requests.js';
import { reuse } from './reuse.js';
import { ask, isRefused, type Scene, type Self, untilGone } from './scene.js';
import { extend, failFlush } from './tight-callers.js';
import { changeStep, leaveTable, spend } from './tight-death-callers.js';
import {
  allocate,
  bounds,
  drop,
  farOff,
  flush,
  KEEP_SIZE,
  mayFail,
  PUNCH_HOLE,
  range,
  read,
  write,
  ZERO_RANGE,
} from './transfers.js';
import { Failure } from './world.js';

const SEEK_DATA = 3;
const SEEK_HOLE = 4;
const O_RDWR = 2;
/** The plane looks every 100 ms whether a caller is being killed, less often with many such callers. */
const KILLED_NS = 5e9;

/** Steps that are about no disk in particular. */
const OTHERS: Partial<Record<Operation['kind'], (scene: Scene, self: Self) => Steps>> = {
  ...{ control: controlStep, weigh, reuse },
  ...{ order: orderStep, grow: growStep, overlay: overlayStep, faults: faultsStep },
  ...{ repartition, reload: reloadStep, 'reload images': reloadImages },
  ...{ extend, 'fail flush': failFlush },
  ...{ change: changeStep, spend, 'leave table': leaveTable },
};

/** Runs the steps of one caller. */
export function* callerSteps(scene: Scene, operations: readonly Operation[]): Steps {
  yield* untilGone(allSteps(scene, operations));
}

function* allSteps(scene: Scene, operations: readonly Operation[]): Steps {
  for (const operation of operations) {
    if (operation.pauseNs > 0) yield pause(scene.world, operation.pauseNs);
    yield* step(scene, operation);
  }
}

function* step(scene: Scene, { kind, stream }: Operation): Steps {
  const random = new Random(scene.seed, stream);
  const thread = random.oneIn(4) ? 0 : 1 + random.below(20);
  const self = { random, uid: random.below(4), thread };
  if (kind === 'read first' || kind === 'read second') {
    yield* readFair(scene, self, scene.disks[kind === 'read first' ? 0 : 1]!);
    return;
  }
  const other = OTHERS[kind];
  if (other !== undefined) {
    yield* other(scene, self);
    return;
  }
  const disk = scene.disks[random.below(scene.disks.length)]!;
  const { image } = disk;
  const isAlone = kind === 'resize';
  yield (resume) => image.acquire(isAlone, () => resume());
  try {
    if (kind === 'read') yield* read(scene, self, disk);
    else if (kind === 'write') yield* write(scene, self, disk);
    else if (kind === 'zero') yield* allocate(scene, self, disk, ZERO_RANGE);
    else if (kind === 'punch') yield* allocate(scene, self, disk, PUNCH_HOLE | KEEP_SIZE);
    else if (kind === 'reserve') yield* allocate(scene, self, disk, random.below(2));
    else if (kind === 'seek') yield* seek(scene, self, disk);
    else if (kind === 'flush') yield* flush(scene, self, disk);
    else if (kind === 'attributes') yield* attributes(scene, disk);
    else if (kind === 'times') yield* times(scene, disk);
    else if (kind === 'resize') yield* resize(scene, self, disk);
    else if (kind === 'reopen') yield* reopen(scene, self, disk);
    else if (kind === 'interrupt') yield* interrupt(scene, self, disk);
    else if (kind === 'space') yield* space(scene);
    else yield* odd(scene, self, disk);
  } finally {
    image.release();
  }
}

/** One of the requests that two groups always have, all alike. */
function* readFair(scene: Scene, { random }: Self, disk: Disk): Steps {
  const { least } = bounds(disk);
  const offset = random.below(Math.max(1, Math.floor(least / 512))) * 512;
  const { node, handle } = disk;
  yield* ask(scene, { opcode: abi.READ, node, body: body.ioBody(handle, offset, 512) });
}

/** What lseek(2) calls a hole reads as zeros. */
function* seek(scene: Scene, { random }: Self, disk: Disk): Steps {
  const { offset: near } = range(random, disk, false);
  const whence = random.oneIn(2) ? SEEK_DATA : SEEK_HOLE;
  const offset = near + farOff(random);
  const before = bounds(disk);
  const asked = yield* ask(scene, {
    opcode: abi.LSEEK,
    node: disk.node,
    body: body.seekBody(offset, whence),
  });
  if (asked.error === -ERRNO.ENXIO) {
    if (whence === SEEK_HOLE && offset < before.least) {
      throw new Failure(`SEEK_HOLE at ${offset} finds no hole, although the end is one`);
    }
    return;
  }
  if (isRefused(scene, disk, asked)) return;
  mayFail(scene, disk, asked, 'an lseek');
  if (asked.error !== 0) return;
  const found = getU64(new DataView(asked.payload.buffer), abi.LSEEK_OUT_OFFSET);
  const { most } = bounds(disk);
  if (found < offset || found > most) {
    throw new Failure(`lseek from ${offset} finds ${found} in a disk of ${most}`);
  }
}

function* attributes(scene: Scene, disk: Disk): Steps {
  const before = bounds(disk);
  const size = yield* sizeOf(scene, disk);
  if (size === null) return;
  const after = bounds(disk);
  if (size < Math.min(before.least, after.least) || size > after.most) {
    throw new Failure(`${disk.name} has ${size} bytes, not ${after.least} to ${after.most}`);
  }
}

/** Null: it is being detached, or gone. */
function* sizeOf(scene: Scene, disk: Disk): Steps<number | null> {
  const asked = yield* ask(scene, {
    opcode: abi.GETATTR,
    node: disk.node,
    body: body.zerosBody(abi.GETATTR_IN_BYTES),
  });
  if (isRefused(scene, disk, asked)) return null;
  if (asked.error !== 0) throw new Failure(`GETATTR fails with ${errnoName(-asked.error)}`);
  const view = new DataView(asked.payload.buffer);
  return getU64(view, abi.ATTR_OUT_ATTR + abi.ATTR_SIZE);
}

function* times(scene: Scene, disk: Disk): Steps {
  const asked = yield* ask(scene, {
    opcode: abi.SETATTR,
    node: disk.node,
    body: body.timesBody(),
  });
  if (disk.readOnly && asked.error === -ERRNO.EROFS) return;
  // The protocol has no times.
  if (scene.isRemote(disk) && asked.error === -ERRNO.EPERM) return;
  if (isRefused(scene, disk, asked)) return;
  mayFail(scene, disk, asked, 'a change of times');
}

/** Nobody else uses the image meanwhile. If the session ends first, the size may be the old or the new one. */
function* resize(scene: Scene, { random }: Self, disk: Disk): Steps {
  const { image } = disk;
  const { contents } = image;
  const size = random.below(contents.limit + 1);
  contents.endsAt(size);
  const rounded = roundUpToSector(size);
  const { least, most: before } = image;
  const isPossible = image.plan.growable && !disk.readOnly && disk.length === null;
  const cuts = isPossible && image.format === 'raw' && size < before;
  const change = cuts
    ? contents.begin(size, contents.limit - size, true, scene.world.tick())
    : null;
  if (cuts) image.least = Math.min(image.least, rounded);
  else if (isPossible) image.mayGrow(size);
  const deaths = scene.deaths();
  const sent = scene.world.tick();
  const asked = yield* ask(scene, {
    opcode: abi.SETATTR,
    node: disk.node,
    body: body.sizeBody(size),
  });
  const now = yield* sizeOf(scene, disk);
  if (now === null || isRefused(scene, disk, asked)) {
    // It was made before the image went, or not at all.
    const isMade = asked.error === 0;
    if (change !== null && isMade) contents.end(change, change.length, scene.world.tick());
    else if (change !== null) drop(scene, contents, change, deaths);
    if (isMade && isPossible) image.setSize(rounded);
    // Others are not changed by this, and may have another file by now.
    else if (cuts) image.least = least;
    return;
  }
  if (disk.length !== null) return;
  if (asked.error === 0 && now !== rounded && !image.isOrderedSince(sent, now)) {
    throw new Failure(`truncate to ${size} leaves ${now} bytes`);
  }
  const keepsSize = !isPossible || image.format !== 'raw';
  if (asked.error !== 0 && !keepsSize) mayFail(scene, disk, asked, 'a truncate');
  // `before` is the most that the size could be: that it is less now tells nothing.
  const isDone = asked.error === 0 || now === rounded;
  if (change !== null && isDone) contents.end(change, change.length, scene.world.tick());
  else if (change !== null) drop(scene, contents, change, deaths);
  image.setSize(now);
}

export function* open(scene: Scene, disk: Disk): Steps {
  const asked = yield* ask(scene, {
    opcode: abi.OPEN,
    node: disk.node,
    body: body.openBody(disk.readOnly ? 0 : O_RDWR),
  });
  if (isRefused(scene, disk, asked)) return;
  if (asked.error !== 0) throw new Failure(`OPEN fails with ${errnoName(-asked.error)}`);
  disk.handle = getU64(new DataView(asked.payload.buffer), abi.OPEN_OUT_FH);
  scene.losses.opened(disk, scene.world.tick());
}

export function* close(scene: Scene, disk: Disk): Steps {
  const { handle } = disk;
  // A kernel closes a handle once.
  if (handle === 0) return;
  disk.handle = 0;
  yield* ask(scene, { opcode: abi.RELEASE, node: disk.node, body: body.releaseBody(handle) });
}

function* reopen(scene: Scene, { random }: Self, disk: Disk): Steps {
  if (random.oneIn(2))
    yield* ask(scene, { opcode: abi.FLUSH, node: disk.node, body: body.zerosBody(24) });
  // Somebody else does it.
  if (disk.handle === 0) return;
  yield* close(scene, disk);
  yield* open(scene, disk);
}

/** A caller that is being killed does not wait for its group. */
function checkGone({ killed, kernel, waits }: Scene, thread: number, unique: number): void {
  // The daemon may not have received the signal: it has no room, or the mount has ended.
  const mayBeUntold = kernel.unreceived > 0 || !kernel.isConnected;
  if (mayBeUntold || !killed.has(thread) || !waits(unique)) return;
  throw new Failure(`request ${unique} waits for its group, although its caller is being killed`);
}

/** A read or a write whose caller gets a signal, which may kill it. */
function* interrupt(scene: Scene, self: Self, disk: Disk): Steps {
  const { random } = self;
  const { world, kernel, killed } = scene;
  const thread = 1000 + random.below(1e6);
  const kills = random.oneIn(2);
  const afterNs = random.below([1000, 100_000, 50e6][random.below(3)]!);
  const laterNs = random.oneIn(2) ? 0 : random.below(300e6);
  const noted = (unique: number): void => {
    world.schedule(afterNs, () => {
      if (kills && laterNs === 0) killed.add(thread);
      if (!kernel.isWaiting(unique) || !kernel.interrupt(unique) || !kills) return;
      world.schedule(laterNs + KILLED_NS, () => checkGone(scene, thread, unique));
    });
    if (kills && laterNs > 0) world.schedule(afterNs + laterNs, () => killed.add(thread));
  };
  const victim = { ...self, thread };
  const isDone = random.oneIn(2)
    ? yield* read(scene, victim, disk, noted)
    : yield* write(scene, victim, disk, noted);
  if (!isDone && !killed.has(thread)) throw new Failure('EINTR, though nobody kills the caller');
  killed.delete(thread);
}

function* space(scene: Scene): Steps {
  const asked = yield* ask(scene, {
    opcode: abi.STATFS,
    node: abi.ROOT_ID,
    body: body.zerosBody(0),
  });
  if (asked.error !== 0) throw new Failure(`STATFS fails with ${errnoName(-asked.error)}`);
}

/** Requests that make no sense get an error, and do nothing else. */
function* odd(scene: Scene, { random }: Self, disk: Disk): Steps {
  const opcodes = [
    abi.UNLINK,
    abi.RENAME,
    abi.CREATE,
    60,
    3000,
    abi.ACCESS,
    abi.READDIR,
    abi.LOOKUP,
  ];
  const opcode = opcodes[random.below(opcodes.length)]!;
  const node = random.oneIn(2) ? disk.node : random.below(100_000);
  const bytes = new Uint8Array(random.below(200));
  for (let i = 0; i < bytes.length; i++) bytes[i] = random.below(256);
  yield* ask(scene, { opcode, node, body: bytes });
}
