import type { Disk, Steps } from './disks.js';
import type { Scene, Self } from './scene.js';
import { bounds, flush, write } from './transfers.js';

// Callers of runs in which something is tight: see `tight.ts`.

const SECTOR = 512;
/** Bytes by which a disk gets longer at once mostly. */
const EXTENSION_BYTES = 48 << 10;
/** One of so many operations after a write fails: mostly of the first steps of a flush. */
const FAILING = [3, 3, 12];
/** Bytes that are written before. */
const WRITTEN_BYTES = 32 << 10;

/** A write behind the end of a disk, which makes it longer, and an fsync. */
export function* extend(scene: Scene, self: Self): Steps {
  const { random } = self;
  yield* withDisk(scene, self, true, function* (disk) {
    const { image } = disk;
    const { most } = bounds(disk);
    const left = image.contents.limit - most;
    const length = SECTOR * (1 + random.below(16));
    const far = random.oneIn(4) ? left - length : EXTENSION_BYTES;
    const offset = most + SECTOR * random.below(far / SECTOR + 1);
    if (offset + length > image.contents.limit) return;
    yield* write(scene, self, disk, undefined, { offset, length });
    yield* flush(scene, self, disk);
  });
}

/** A write, and an fsync of which an operation fails. */
export function* failFlush(scene: Scene, self: Self): Steps {
  yield* withDisk(scene, self, false, function* (disk) {
    const { random } = self;
    const sectors = Math.floor((bounds(disk).least - WRITTEN_BYTES) / SECTOR);
    const offset = SECTOR * random.below(sectors + 1);
    // A partition table stays as it is.
    const isAnywhere = sectors >= 0 && disk.image.template.partitions.length === 0;
    const where = isAnywhere ? { offset, length: WRITTEN_BYTES } : undefined;
    yield* write(scene, self, disk, undefined, where);
    scene.failSoon(random.below(FAILING[random.below(FAILING.length)]!));
    yield* flush(scene, self, disk);
  });
}

/** Uses a disk that is written. @param isToGrow It must be one that writes can make longer. */
function* withDisk(
  scene: Scene,
  { random }: Self,
  isToGrow: boolean,
  use: (disk: Disk) => Steps,
): Steps {
  const can = scene.disks.filter(({ image, length, readOnly }) => {
    return !readOnly && (!isToGrow || (image.plan.growable && length === null));
  });
  if (can.length === 0) return;
  const disk = can[random.below(can.length)]!;
  const { image } = disk;
  yield (resume) => image.acquire(false, () => resume());
  try {
    yield* use(disk);
  } finally {
    image.release();
  }
}
