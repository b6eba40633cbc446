import * as abi from '../../src/fuse/abi.js';
import { getU64 } from '../../src/fuse/wire.js';
import { ERRNO, errnoName } from '../../src/util/errno.js';
import { close, open } from './callers.js';
import type { Disk, Image, Stay, Steps } from './disks.js';
import { masterBootRecord } from './format-kinds.js';
import type { KnownPartition } from './image-kinds.js';
import * as body from './requests.js';
import { ask, type Scene, type Self } from './scene.js';
import { read } from './transfers.js';
import { Failure } from './world.js';

const SECTOR = 512;
const NOTHING = function* (): Steps {};

/**
 * Somebody partitions a disk anew: a partition goes, comes back at another place, and gets its own place again. A
 * flush behind each table makes the mount follow it. On a host with faults a table could stay half written.
 */
export function* repartition(scene: Scene, self: Self): Steps {
  if (!scene.isQuiet) return;
  const { random } = self;
  const can = scene.images.filter(({ template, stay, isOrdered, isTableKnown }) => {
    const isThere = template.partitions.length > 0 && stay !== null && !stay.readOnly;
    return isThere && !isOrdered && isTableKnown && stay.faults.isEmpty;
  });
  if (can.length === 0) return;
  const image = can[random.below(can.length)]!;
  const stay = image.stay!;
  image.isOrdered = true;
  yield (resume) => image.acquire(true, () => resume());
  try {
    yield* changeTable(scene, self, image, stay);
  } finally {
    image.release();
    image.isOrdered = false;
  }
}

function* changeTable(scene: Scene, self: Self, image: Image, stay: Stay): Steps {
  const { random } = self;
  const { partitions } = image.template;
  const own = partitions[random.below(partitions.length)]!;
  const others = partitions.filter((one) => one !== own);
  const name = `${image.plan.name}.p${own.number}`;
  const disks = scene.disks.filter((disk) => disk.stay === stay && disk.name === name);
  for (const disk of disks) {
    yield* close(scene, disk);
    disk.handle = 0;
  }
  // If the session ends before the last flush, nobody knows which table is there.
  image.isTableKnown = false;
  yield* writeTable(scene, image, stay, others);
  yield* checkGone(scene, name);
  const skipped = 1 + random.below(own.length - 1);
  const moved = { ...own, start: own.start + skipped, length: own.length - skipped };
  yield* writeTable(scene, image, stay, [...others, moved]);
  const there = yield* find(scene, name, moved);
  const place = { start: moved.start * SECTOR, length: moved.length * SECTOR };
  const disk: Disk = { name, image, stay, ...place, readOnly: false, node: there, handle: 0 };
  yield* open(scene, disk);
  yield* read(scene, self, disk, undefined, { offset: 0, length: Math.min(place.length, 4096) });
  yield* close(scene, disk);
  yield* writeTable(scene, image, stay, partitions);
  for (const one of disks) {
    one.node = yield* find(scene, name, own);
    yield* open(scene, one);
  }
  image.isTableKnown = true;
}

/**
 * Writes a table to the whole disk, and flushes.
 *
 * @param between Steps in between, with a table that no daemon has read.
 */
export function* writeTable(
  scene: Scene,
  image: Image,
  stay: Stay,
  partitions: readonly KnownPartition[],
  between: () => Steps = NOTHING,
): Steps {
  const { world } = scene;
  const whole = scene.disks.find((disk) => disk.stay === stay && disk.name === image.plan.name)!;
  const { node, handle } = whole;
  const bytes = masterBootRecord(partitions);
  const change = image.contents.beginWith(bytes, world.tick());
  const put = (payload: Uint8Array): void => payload.set(bytes);
  const written = yield* ask(scene, {
    opcode: abi.WRITE,
    node,
    body: body.writeBody(handle, 0, SECTOR, false, put),
  });
  if (written.error < 0) {
    throw new Failure(`a partition table cannot be written: ${errnoName(-written.error)}`);
  }
  image.contents.end(change, SECTOR, world.tick());
  yield* between();
  const sent = world.tick();
  const flushed = yield* ask(scene, {
    opcode: abi.FSYNC,
    node,
    body: body.flushBody(handle, false),
  });
  if (flushed.error < 0) {
    throw new Failure(`a partition table cannot be flushed: ${errnoName(-flushed.error)}`);
  }
  image.hasSynced(sent, world.tick());
}

function* lookUp(scene: Scene, name: string): Steps<{ error: number; node: number; size: number }> {
  const file = body.nameBody(`${name}.raw`);
  const asked = yield* ask(scene, { opcode: abi.LOOKUP, node: abi.ROOT_ID, body: file });
  if (asked.error < 0) return { error: asked.error, node: 0, size: 0 };
  const node = getU64(new DataView(asked.payload.buffer), abi.ENTRY_OUT_NODEID);
  const attributes = body.zerosBody(abi.GETATTR_IN_BYTES);
  const seen = yield* ask(scene, { opcode: abi.GETATTR, node, body: attributes });
  const view = new DataView(seen.payload.buffer);
  const size = seen.error < 0 ? 0 : getU64(view, abi.ATTR_OUT_ATTR + abi.ATTR_SIZE);
  return { error: seen.error, node, size };
}

function* checkGone(scene: Scene, name: string): Steps {
  const { error } = yield* lookUp(scene, name);
  if (error === -ERRNO.ENOENT) return;
  throw new Failure(`${name} is not in the table any more, and its file has ${errnoName(-error)}`);
}

/** @returns Its node. */
function* find(scene: Scene, name: string, { length }: KnownPartition): Steps<number> {
  const { error, node, size } = yield* lookUp(scene, name);
  if (error < 0) throw new Failure(`${name} is in the table, and has ${errnoName(-error)}`);
  if (size === length * SECTOR) return node;
  throw new Failure(`${name} has ${length * SECTOR} bytes by its table, and ${size} in the mount`);
}
