import * as abi from '../../src/fuse/abi.js';
import { ERRNO, errnoName } from '../../src/util/errno.js';
import { close, open } from './callers.js';
import { closeFile, find, openFile, writeHandle } from './control-callers.js';
import { type Disk, type Image, pause, type Stay, type Steps } from './disks.js';
import { writeTable } from './repartition.js';
import * as body from './requests.js';
import { ask, type Scene, type Self } from './scene.js';
import { read } from './transfers.js';
import { Failure } from './world.js';

// Callers of runs whose daemons die at the hardest moments: see `tight-deaths.ts`.

const O_RDWR = 2;
const SECTOR = 512;
/** Names of groups and rules that nobody else has. */
const NAMES = 1e6;
/** What a step takes to the group that has used up its burst. */
const SPENT_BYTES = 512;
/** The longest pause between a table and the next request, nanoseconds. */
const TABLE_NS = 10e6;

/** A change of what is open, or of groups, that can be made once only. */
export function* changeStep(scene: Scene, self: Self): Steps {
  const { random } = self;
  if (random.oneIn(3)) yield* reopenDisk(scene, self);
  else if (random.oneIn(2)) yield* makeAndRemove(scene, `own${random.below(NAMES)}`);
  else yield* addAndTake(scene, `uid:${NAMES + random.below(NAMES)}`);
}

function* reopenDisk(scene: Scene, { random }: Self): Steps {
  const disk = scene.disks[random.below(scene.disks.length)];
  if (disk === undefined) return;
  yield (resume) => disk.image.acquire(false, () => resume());
  try {
    // Somebody else does it.
    if (disk.handle === 0) return;
    scene.changes();
    yield* close(scene, disk);
    scene.changes();
    yield* open(scene, disk);
  } finally {
    disk.image.release();
  }
}

/** A group comes and goes. */
function* makeAndRemove(scene: Scene, name: string): Steps {
  const node = yield* find(scene, '');
  scene.changes();
  const made = yield* ask(scene, {
    opcode: abi.MKDIR,
    node,
    body: body.nameBody(name, abi.MKDIR_IN_BYTES),
  });
  demand(made.error, `mkdir ${name}`);
  scene.changes();
  const removed = yield* ask(scene, { opcode: abi.RMDIR, node, body: body.nameBody(name) });
  demand(removed.error, `rmdir ${name}`);
}

/** A rule comes and goes. */
function* addAndTake(scene: Scene, rule: string): Steps {
  const { node, handle } = yield* openFile(scene, 'members', O_RDWR);
  if (node < 0) throw new Failure(`members cannot be opened: ${errnoName(-node)}`);
  for (const text of [rule, `-${rule}`]) {
    scene.changes();
    demand(yield* writeHandle(scene, node, handle, text), `"${text}" to members`);
  }
  scene.changes();
  yield* closeFile(scene, node, handle);
}

function demand(error: number, what: string): void {
  if (error !== 0) throw new Failure(`${what} fails with ${errnoName(-error)}`);
}

/** A small read of one of the first disks, whose groups let few of them pass. */
export function* spend(scene: Scene, self: Self): Steps {
  const { random } = self;
  const disk = scene.disks[random.below(Math.min(2, scene.disks.length))];
  if (disk === undefined) return;
  yield (resume) => disk.image.acquire(false, () => resume());
  try {
    yield* read(scene, self, disk, undefined, { offset: 0, length: SPENT_BYTES });
  } finally {
    disk.image.release();
  }
}

/**
 * A partition that is open leaves the table of its disk, and comes back. It keeps its place meanwhile, also for the next
 * daemon.
 */
export function* leaveTable(scene: Scene, self: Self): Steps {
  const can = scene.images.filter(({ template, stay, isOrdered, isTableKnown }) => {
    const isThere = template.partitions.length > 0 && stay !== null && !stay.readOnly;
    return isThere && !isOrdered && isTableKnown && stay.faults.isEmpty;
  });
  if (can.length === 0 || !scene.isQuiet) return;
  const image = can[self.random.below(can.length)]!;
  const stay = image.stay!;
  image.isOrdered = true;
  yield (resume) => image.acquire(true, () => resume());
  try {
    yield* leaveAndReturn(scene, self, image, stay);
  } finally {
    image.release();
    image.isOrdered = false;
  }
}

function* leaveAndReturn(scene: Scene, self: Self, image: Image, stay: Stay): Steps {
  const { random } = self;
  const { partitions } = image.template;
  const own = partitions[random.below(partitions.length)]!;
  const name = `${image.plan.name}.p${own.number}`;
  const disk = scene.disks.find((one) => one.stay === stay && one.name === name);
  if (disk === undefined || disk.handle === 0) return;
  const others = partitions.filter((one) => one !== own);
  // If the session ends before the last flush, nobody knows which table is there.
  image.isTableKnown = false;
  yield* writeTable(scene, image, stay, others, () => changed(scene, self, disk));
  yield* changed(scene, self, disk);
  yield* writeTable(scene, image, stay, partitions, () => changed(scene, self, disk));
  yield* changed(scene, self, disk);
  image.isTableKnown = true;
}

/** The daemon may die now; the partition is served all the same. */
function* changed(scene: Scene, self: Self, disk: Disk): Steps {
  scene.changes();
  yield pause(scene.world, self.random.below(TABLE_NS));
  const size = yield* read(scene, self, disk, undefined, { offset: 0, length: SECTOR });
  if (!size) throw new Failure(`${disk.name} cannot be read: ${errnoName(ERRNO.EINTR)}`);
}
