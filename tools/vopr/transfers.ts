import { MAX_IO_BYTES } from '../../src/buffers/memory.js';
import * as abi from '../../src/fuse/abi.js';
import { ERRNO, errnoName } from '../../src/util/errno.js';
import type { Random } from '../exerciser/random.js';
import { type Change, type Contents, fill } from './contents.js';
import type { Disk, Steps } from './disks.js';
import * as body from './requests.js';
import { type Asked, ask, isRefused, type Scene, type Self } from './scene.js';
import { Failure } from './world.js';

// Requests that read or change bytes of a disk, each compared with the model.

export const KEEP_SIZE = 0x01;
export const PUNCH_HOLE = 0x02;
export const ZERO_RANGE = 0x10;

/** Bytes of the disk at least, and at most. */
export function bounds({ image, start, length }: Disk): { least: number; most: number } {
  if (length !== null) return { least: length, most: length };
  return { least: image.least - start, most: image.most - start };
}

/** Bytes of a disk. */
export interface Range {
  offset: number;
  length: number;
}

/** Bytes that a disk had at least, then or now. */
function leastOf(before: { least: number }, disk: Disk): number {
  return Math.min(before.least, bounds(disk).least);
}

/** A range: mostly short, mostly near the beginning, sometimes of whole blocks, now and then past the end. */
export function range(random: Random, disk: Disk, mayGrow: boolean): Range {
  const { image } = disk;
  const { most } = bounds(disk);
  const grows = mayGrow && image.plan.growable && random.oneIn(6);
  const size = grows ? image.contents.limit : most;
  const unit = random.oneIn(4) ? 1 : [128, 512, 4096, 65536][random.below(4)]!;
  const longest = image.template.longest;
  const count = Math.max(1, Math.floor(longest / unit));
  let length = unit * (1 + random.below(random.oneIn(3) ? count : Math.min(4, count)));
  if (unit === 1) length = 1 + random.below(random.oneIn(2) ? 600 : Math.min(longest, 20_000));
  const area = random.oneIn(2) ? size : Math.min(size, 16 * longest);
  const past = random.oneIn(30) && !mayGrow ? longest : 0;
  let offset = random.below(Math.ceil((area + past + 1) / unit)) * unit;
  // A partition table stays as it is, so that the disks that it names do.
  if (mayGrow && disk.start === 0 && image.template.partitions.length > 0) {
    offset = Math.max(offset, 512);
  }
  length = Math.min(length, MAX_IO_BYTES);
  if (mayGrow) length = Math.min(length, Math.max(0, size - offset));
  return { offset, length };
}

/** Mostly 0; else so much that the low 32 bits of an offset alone lie in the disk. */
export function farOff(random: Random): number {
  return random.oneIn(40) ? 2 ** (32 + random.below(20)) : 0;
}

/** Fails unless the error is one that the request may have. */
export function mayFail(scene: Scene, disk: Disk, asked: Asked, what: string): void {
  const { error, unique, sent } = asked;
  const errno = -error;
  if (errno === 0 || scene.hits.has(unique) || scene.excused(errno, disk)) return;
  if (scene.explained.has(unique)) return;
  if (disk.stay.faults.explain(what, errno, sent, scene.world.tick())) return;
  throw new Failure(
    `${what} of ${disk.name} fails with ${errnoName(errno)}, and no fault explains it`,
  );
}

/** Fails for a transfer that succeeded though a fault was in its name, and for one not admitted once. */
function succeeded(scene: Scene, disk: Disk, asked: Asked, isWhole: boolean, what: string): void {
  if (isWhole && disk.image.format === 'raw' && scene.hits.has(asked.unique)) {
    throw new Failure(`${what} of ${disk.name} succeeds, although its transfer failed`);
  }
  checkSpared(scene, disk, asked, what);
  const times = scene.admissions(asked.unique);
  // What waits for its group when its image is detached goes uncharged.
  if (times === 0 && disk.stay.isLeaving(asked.sent, scene.world.tick())) return;
  if (times !== 1) throw new Failure(`${what} of ${disk.name} was charged ${times} times`);
}

/**
 * A change that was refused: it was not made. But a daemon that died since may have made it, and then the next one was asked
 * again.
 */
export function drop(scene: Scene, contents: Contents, change: Change, deaths: number): void {
  if (scene.deaths() === deaths) contents.forget(change);
  else contents.end(change, 0, scene.world.tick());
}

/** A request has succeeded: its user did not want that all of them fail. */
function checkSpared(scene: Scene, disk: Disk, { sent }: Asked, what: string): void {
  if (!disk.stay.faults.demand(what, sent, scene.world.tick())) return;
  throw new Failure(`${what} of ${disk.name} succeeds, although all should fail`);
}

export function* read(
  scene: Scene,
  { random, uid, thread }: Self,
  disk: Disk,
  sentAs?: (unique: number) => void,
  where?: Range,
): Steps<boolean> {
  const { offset: near, length } = where ?? range(random, disk, false);
  const offset = near + (where === undefined ? farOff(random) : 0);
  const before = bounds(disk);
  const sent = scene.world.tick();
  const request = {
    opcode: abi.READ,
    node: disk.node,
    body: body.ioBody(disk.handle, offset, length),
    uid,
    thread,
  };
  const asked = yield* ask(scene, request, sentAs);
  if (asked.error === -ERRNO.EINTR) return false;
  if (isRefused(scene, disk, asked)) return true;
  mayFail(scene, disk, asked, 'a read');
  if (asked.error < 0) return true;
  const after = bounds(disk);
  const got = asked.payload.length;
  const least = Math.max(0, Math.min(length, Math.min(before.least, after.least) - offset));
  const most = Math.max(0, Math.min(length, after.most - offset));
  if (got < least || got > most) {
    throw new Failure(
      `a read of ${length} at ${offset} of ${disk.name} has ${got} bytes, not ${least} to ${most}`,
    );
  }
  if (got > 0) succeeded(scene, disk, asked, true, 'a read');
  const fault = disk.image.contents.check(
    asked.payload,
    disk.start + offset,
    sent,
    scene.world.tick(),
  );
  if (fault !== null) throw new Failure(`a read of ${disk.image.plan.name}: ${fault}`);
  return true;
}

export function* write(
  scene: Scene,
  { random, uid, thread }: Self,
  disk: Disk,
  sentAs: (unique: number) => void = () => {},
  where?: Range,
): Steps<boolean> {
  const { image } = disk;
  const { contents } = image;
  const { offset, length } = where ?? range(random, disk, true);
  if (length === 0) return true;
  const place = disk.start + offset;
  const before = bounds(disk);
  const change = contents.begin(place, length, false, scene.world.tick());
  image.mayGrow(place + length);
  const fromCache = random.oneIn(8);
  const request = {
    opcode: abi.WRITE,
    node: disk.node,
    body: body.writeBody(disk.handle, offset, length, fromCache, (payload) => {
      fill(payload, place, change.version);
    }),
    uid,
    thread,
  };
  const deaths = scene.deaths();
  const asked = yield* ask(scene, request, sentAs);
  const now = scene.world.tick();
  if (isRefused(scene, disk, asked)) {
    drop(scene, contents, change, deaths);
    return true;
  }
  if (disk.readOnly) {
    contents.end(change, 0, now);
    if (asked.error !== -ERRNO.EROFS)
      throw new Failure('a write to a read-only disk is not refused');
    return true;
  }
  if (asked.error === -ERRNO.EINTR) {
    drop(scene, contents, change, deaths);
    return false;
  }
  if (asked.error < 0) {
    contents.end(change, 0, now);
    // It lay behind the end, if the disk is no longer than that, or was not when it was sent.
    if (asked.error === -ERRNO.ENOSPC && offset >= leastOf(before, disk)) return true;
    mayFail(scene, disk, asked, 'a write');
    return true;
  }
  const written = new DataView(asked.payload.buffer).getUint32(abi.WRITE_OUT_SIZE, true);
  if (written > length) throw new Failure(`a write of ${length} bytes has written ${written}`);
  // Where a resize has failed it is not certain where the disk ends.
  const isAtEnd = !image.plan.growable && offset + written >= leastOf(before, disk);
  if (written < length && !isAtEnd && !scene.excused(0, disk)) {
    throw new Failure(`a write of ${length} at ${offset} of ${disk.name} wrote ${written}`);
  }
  contents.end(change, written, now);
  image.hasGrown(place + written);
  succeeded(scene, disk, asked, written === length, 'a write');
  return true;
}

/** fallocate(2): zeroes, punches, or sets room aside. */
export function* allocate(
  scene: Scene,
  { random, uid, thread }: Self,
  disk: Disk,
  mode: number,
): Steps {
  const { image } = disk;
  const { contents } = image;
  const { offset, length } = range(random, disk, true);
  if (length === 0) return;
  const place = disk.start + offset;
  const before = bounds(disk);
  const zeroes = (mode & (PUNCH_HOLE | ZERO_RANGE)) !== 0;
  const keepsSize = (mode & KEEP_SIZE) !== 0;
  const change = zeroes ? contents.begin(place, length, true, scene.world.tick()) : null;
  if (!keepsSize) image.mayGrow(place + length);
  const deaths = scene.deaths();
  const asked = yield* ask(scene, {
    opcode: abi.FALLOCATE,
    node: disk.node,
    body: body.allocateBody(mode, offset, length),
    uid,
    thread,
  });
  const now = scene.world.tick();
  if (isRefused(scene, disk, asked)) {
    if (change !== null) drop(scene, contents, change, deaths);
    return;
  }
  if (change !== null) contents.end(change, asked.error === 0 ? length : 0, now);
  if (asked.error === 0) {
    if (!keepsSize) image.hasGrown(place + length);
    return;
  }
  const { EROFS, EOPNOTSUPP } = ERRNO;
  if (disk.readOnly && asked.error === -EROFS) return;
  // Room can be set aside, and unaligned zeros be written, only where the host has fallocate.
  if (asked.error === -EOPNOTSUPP) return;
  if (asked.error === -ERRNO.ENOSPC && offset + length > leastOf(before, disk)) return;
  mayFail(scene, disk, asked, 'an fallocate');
}

export function* flush(scene: Scene, { random }: Self, disk: Disk): Steps {
  // It has been closed, for the end.
  if (disk.handle === 0) return;
  const { image } = disk;
  const sent = scene.world.tick();
  const flushed = scene.losses.begin(disk, sent);
  const asked = yield* ask(scene, {
    opcode: abi.FSYNC,
    node: disk.node,
    body: body.flushBody(disk.handle, random.oneIn(2)),
  });
  const isGone = isRefused(scene, disk, asked);
  if (!disk.readOnly) {
    scene.losses.end(disk, flushed, asked.error, scene.toTellAt(disk), scene.world.tick());
  }
  if (isGone) return;
  if (asked.error === 0 && !disk.readOnly) {
    checkSpared(scene, disk, asked, 'an fsync');
    image.hasSynced(sent, scene.world.tick());
  }
  if (asked.error !== 0 && !scene.hasLost(disk)) mayFail(scene, disk, asked, 'an fsync');
}
